"""Draw the scores of a diffusion model against its number of DDIM steps.

    codecse sweep --output sweep.png --line "noisy|exp/noisy_test/scoring" \\
        1=exp/fuse_steps1/waveform_test/scoring 6=exp/fuse/waveform_test/scoring \\
        50=exp/fuse_steps50/waveform_test/scoring
"""

import argparse
import sys
from pathlib import Path


def _steps(text: str) -> tuple[int, Path]:
    number, _, folder = text.partition("=")
    if not (number.isdecimal() and folder):
        raise argparse.ArgumentTypeError(f"'{text}': give STEPS=SCORES, such as 6=exp/fuse/waveform_test/scoring")
    return int(number), Path(folder)


def _line(text: str) -> tuple[str, Path]:
    label, _, folder = text.partition("|")
    if not folder:
        raise argparse.ArgumentTypeError(f"'{text}': give 'LABEL|SCORES', such as 'noisy|exp/noisy_test/scoring'")
    return label, Path(folder)


def get_parser() -> argparse.ArgumentParser:
    """Build the argument parser."""
    parser = argparse.ArgumentParser(
        prog="codecse sweep", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("folders", nargs="+", type=_steps, metavar="STEPS=SCORES", help="number of steps and its scoring folder")
    add("--output", type=Path, required=True, help="png, pdf or svg")
    add(
        "--line",
        type=_line,
        action="append",
        default=[],
        metavar="'LABEL|SCORES'",
        help="scores to compare with, drawn as a horizontal line; may be repeated",
    )
    add("--metrics", nargs="+", default=["PESQ", "ESTOI", "DNSMOS_OVRL"], help="one panel each (default: %(default)s)")
    add("--title", default="", help="title above the panels")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Draw the figure."""
    args = get_parser().parse_args(argv)
    from espnet_codecse.report.sweep import plot_step_sweep

    plot_step_sweep(dict(args.folders), args.output, args.metrics, dict(args.line), args.title)
    return 0


if __name__ == "__main__":
    sys.exit(main())
