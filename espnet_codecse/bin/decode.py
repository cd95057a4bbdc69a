"""Decode files of codes, written by codecse encode or codecse enhance --to codes, to waveforms.

    codecse decode codes/ --output_dir decoded

The codec is the one that the file names; its fingerprint must match. The output has the sample rate, length and format
of the recording that was encoded. Inputs, resuming and failed.tsv work as in codecse enhance.
"""

import argparse
import sys
from pathlib import Path

from espnet_codecse.bin.numbers import positive


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of ``codecse decode``."""
    from espnet_codecse.recording.formats import CHOICES

    parser = argparse.ArgumentParser(
        prog="codecse decode", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("paths", nargs="+", metavar="PATH", help="file, folder or glob (** for any depth); - for the standard streams")
    add("-o", "--output_dir", type=Path, help="folder of the outputs; not with -")
    add("--codec", help="name or folder (default: as each file names it, if it is known or a folder here)")
    add("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: %(default)s)")
    add("--format", choices=list(CHOICES), help="format of the outputs (default: that of the encoded recording)")
    add("--jobs", type=positive, default=0, help="processes (default: one per core, if each has minutes of audio)")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Decode the remaining files and report; return 1 if a file failed."""
    args = get_parser().parse_args(sys.argv[1:] if argv is None else argv)
    from espnet_codecse.bin.enhance import check_output_dir, run

    check_output_dir(args.paths, args.output_dir)
    from espnet_codecse.recording.job import Options
    from espnet_codecse.recording.session import Session
    from espnet_codecse.task.device import check_device

    check_device(args.device)
    options = Options(source="codes", target="wave", codec=args.codec, device=args.device)
    # No further settings: the codes hold the fingerprint of their codec, and nothing else changes the output.
    return run(Session("decoded", options, choice=args.format, num_jobs=args.jobs), args.paths, args.output_dir)


if __name__ == "__main__":
    sys.exit(main())
