"""Check the environment and the settings of a run before its first stage, and print the codec's samples per frame.

hop=$(codecse check --codec small --fs 16k --metrics "SI_SDR PESQ")
"""

import argparse
import sys

from espnet_codecse.bin.numbers import natural, sample_rate
from espnet_codecse.errors import UserError
from espnet_codecse.installation import installed_problems


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of ``codecse check``."""
    parser = argparse.ArgumentParser(
        prog="codecse check", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--codec", required=True, help="name or folder")
    parser.add_argument("--fs", type=sample_rate, required=True, help="sample rate of the formatted data, such as 16k")
    parser.add_argument("--metrics", default="", help="names, separated by spaces")
    add = parser.add_argument
    add("--device", default="auto", help="device of the stages on this machine (default: %(default)s)")
    add("--ngpu", type=natural, default=0, help="GPUs for training on this machine (default: %(default)s)")
    return parser


def main(argv: list[str] | None = None) -> None:
    """Report problems that a later stage would otherwise meet hours into the run."""
    args = get_parser().parse_args(sys.argv[1:] if argv is None else argv)
    problems = installed_problems()
    if problems:
        raise UserError(problems[0])
    from espnet_codecse.task.device import check_device, check_num_gpus

    check_device(args.device)
    check_num_gpus(args.ngpu)
    from espnet_codecse.codec import load_codec
    from espnet_codecse.metrics.registry import select

    if args.metrics:
        select(args.metrics.split())
    codec = load_codec(args.codec)
    if codec.sample_rate != args.fs:
        raise UserError(
            f"--fs {args.fs}: the codec {args.codec} works at {codec.sample_rate} Hz; pass --fs {codec.sample_rate}"
        )
    print(codec.hop)


if __name__ == "__main__":
    main()
