"""Encode recordings to files of codes; docs/bitstream.md has the format.

    codecse encode noisy/ --output_dir codes
    codecse enhance --from codes --to codes codes/ --output_dir enhanced_codes
    codecse decode enhanced_codes/ --output_dir enhanced
    codecse encode clean/ --output_dir codes --codec lyra_v2 --num_codebooks 16    # 3.2 kbit/s

Inputs, resuming and failed.tsv work as in codecse enhance. Recordings of any length are encoded in chunks, in bounded
memory; the codes are those of the whole recording. A codec with an LSTM encodes each recording in one piece.
"""

import argparse
import sys
from pathlib import Path

from espnet_codecse.bin.numbers import positive


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of ``codecse encode``."""
    parser = argparse.ArgumentParser(
        prog="codecse encode", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("paths", nargs="+", metavar="PATH", help="file, folder or glob (** for any depth); - for the standard streams")
    add("-o", "--output_dir", type=Path, help="folder of the outputs; not with -")
    add("--codec", default="small", help="name or folder (default: %(default)s)")
    add("--num_codebooks", type=positive, help="codes per frame: the codec's first codebooks (default: all)")
    add("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: %(default)s)")
    add("--mono", action="store_true", help="average the channels first")
    add("--jobs", type=positive, default=0, help="processes (default: one per core, if each has minutes of audio)")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Encode the remaining recordings and report; return 1 if one failed."""
    args = get_parser().parse_args(sys.argv[1:] if argv is None else argv)
    from espnet_codecse.bin.enhance import check_output_dir, run

    check_output_dir(args.paths, args.output_dir)
    from espnet_codecse.codec.resolve import codec_files
    from espnet_codecse.identity import file_state
    from espnet_codecse.recording.job import Options
    from espnet_codecse.recording.session import Session
    from espnet_codecse.task.device import check_device

    check_device(args.device)
    options = Options(
        source="wave",
        target="codes",
        codec=args.codec,
        device=args.device,
        mono=args.mono,
        num_codebooks=args.num_codebooks,
    )
    identity = {"codec": [args.codec, *sorted(f"{file.name} {file_state(file)}" for file in codec_files(args.codec))]}
    return run(Session("encoded", options, identity, num_jobs=args.jobs), args.paths, args.output_dir)


if __name__ == "__main__":
    sys.exit(main())
