"""Decode files of codes, as codecse encode and codecse enhance --to codes write them, to waveforms.

    codecse decode codes/ --output_dir decoded

The codec is the one that a file names, and its fingerprint must fit. The output has the sample rate, length and format
of the recording that was encoded. Files, folders and globs, going on and failed.tsv are as in codecse enhance.
"""

import argparse
import sys
from pathlib import Path


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of ``codecse decode``."""
    from espnet_codecse.bin.enhance import positive
    from espnet_codecse.recording.formats import CHOICES

    parser = argparse.ArgumentParser(
        prog="codecse decode", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("paths", nargs="+", metavar="PATH", help="file, folder or glob (** for any depth); - for the standard streams")
    add("-o", "--output_dir", type=Path, help="folder of the outputs; not with -")
    add("--codec", help="name or folder (default: what each file names, where the package knows it or it is a folder)")
    add("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: %(default)s)")
    add("--format", choices=list(CHOICES), help="format of the outputs (default: that of the recording encoded)")
    add("--jobs", type=positive, default=0, help="processes (default: one a core, where each has minutes to work on)")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Decode what is not done yet and report; 1 if a file failed."""
    args = get_parser().parse_args(sys.argv[1:] if argv is None else argv)
    from espnet_codecse.bin.enhance import check_output_dir, run

    check_output_dir(args.paths, args.output_dir)
    from espnet_codecse.recording.job import Options
    from espnet_codecse.recording.session import Session

    options = Options(source="codes", target="wave", codec=args.codec, device=args.device)
    # The codes name their codec by its weights: nothing else changes the output.
    return run(Session("decoded", options, choice=args.format, num_jobs=args.jobs), args.paths, args.output_dir)


if __name__ == "__main__":
    sys.exit(main())
