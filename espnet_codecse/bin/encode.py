"""Encode recordings to a codec's codes, in files of the format of docs/bitstream.md.

    codecse encode noisy/ --output_dir codes
    codecse enhance --from codes --to codes codes/ --output_dir enhanced_codes
    codecse decode enhanced_codes/ --output_dir enhanced
    codecse encode clean/ --output_dir codes --codec lyra_v2 --num_codebooks 16    # 3.2 kbit/s

Files, folders and globs, going on and failed.tsv are as in codecse enhance. A recording of any length is encoded chunk
by chunk as if it were encoded at once, in bounded memory (a codec with an LSTM takes it whole).
"""

import argparse
import sys
from pathlib import Path


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of ``codecse encode``."""
    from espnet_codecse.bin.enhance import positive

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
    add("--jobs", type=positive, default=0, help="processes (default: one a core, where each has minutes to work on)")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Encode what is not done yet and report; 1 if a recording failed."""
    args = get_parser().parse_args(sys.argv[1:] if argv is None else argv)
    from espnet_codecse.bin.enhance import check_output_dir, run

    check_output_dir(args.paths, args.output_dir)
    from espnet_codecse.codec.resolve import codec_files
    from espnet_codecse.recording.job import Options
    from espnet_codecse.recording.session import Session

    options = Options(
        source="wave",
        target="codes",
        codec=args.codec,
        device=args.device,
        mono=args.mono,
        num_codebooks=args.num_codebooks,
    )
    files = sorted((file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in codec_files(args.codec))
    identity = {"codec": [args.codec, *map(list, files)]}
    return run(Session("encoded", options, identity, num_jobs=args.jobs), args.paths, args.output_dir)


if __name__ == "__main__":
    sys.exit(main())
