"""Draw spectrograms of several recordings, one below the other, such as noisy, enhanced and clean.

codecse spectrogram --labels noisy enhanced clean --output images/u1.png noisy.wav enhanced.wav clean.wav
"""

import argparse
import sys
from pathlib import Path

from espnet_codecse.bin.numbers import above_zero, not_negative


def get_parser() -> argparse.ArgumentParser:
    """Build the argument parser."""
    parser = argparse.ArgumentParser(
        prog="codecse spectrogram", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("audio", nargs="+", help="audio files, shown from top to bottom")
    add("--labels", nargs="+", help="one label per file (default: the file names)")
    add("--output", type=Path, required=True, help="png, pdf or svg")
    add("--start", type=not_negative, default=0.0, help="start of the excerpt in seconds (default: %(default)s)")
    add("--seconds", type=above_zero, help="length of the excerpt in seconds (default: to the end)")
    add("--range_db", type=float, default=70.0, help="span of the colour scale in dB (default: %(default)s)")
    add("--title", default="", help="title above the first panel")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Write the figure."""
    args = get_parser().parse_args(argv)
    from espnet_codecse.report.spectrogram import plot_spectrograms

    labels = args.labels or [Path(path).name for path in args.audio]
    plot_spectrograms(args.audio, labels, args.output, args.start, args.seconds, args.range_db, args.title)
    print(f"spectrogram: the figure is in {args.output}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
