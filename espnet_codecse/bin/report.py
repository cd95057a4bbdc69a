"""Write the report page, a folder with tables, audio and spectrograms for any browser; it needs no network.

    codecse report --expdir exp --test_sets "test" --title "mini, test" --output_dir exp/report

The systems are the rows of codecse results, whose help explains --row. The spk1.scp (or wav.scp) beside each scoring
folder lists the enhanced audio; those of the data directory list mixtures and clean speech. Training curves are read
from exp/<tag>/<step>/train.log. Utterances that are already in the folder are not made again.
"""

import argparse
import shlex
import sys
from pathlib import Path

from espnet_codecse.bin.numbers import above_zero, positive
from espnet_codecse.bin.scored_options import add_row_option, add_scored_options, read_all_rows


def get_parser() -> argparse.ArgumentParser:
    """Build the argument parser."""
    parser = argparse.ArgumentParser(
        prog="codecse report", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add_scored_options(parser)
    add_row_option(parser)
    add("--output_dir", type=Path, required=True, help="folder of the page; open its index.html")
    add("--title", default="Report", help="heading (default: %(default)s)")
    add(
        "--metric",
        default="",
        help="select the best, middle and worst utterances by this metric, averaged over the "
        "experiments (default: PESQ, else DNSMOS_OVRL, else SI_SDR)",
    )
    add("--num_utterances", type=positive, default=6, help="utterances to select per set (default: %(default)s)")
    add("--utterances", nargs="+", default=[], metavar="ID", help="further utterances to include")
    add(
        "--seconds",
        type=above_zero,
        default=30.0,
        help="longer recordings are cut to this length (default: %(default)s)",
    )
    return parser


def main(argv: list[str] | None = None) -> int:
    """Write the page."""
    argv = sys.argv[1:] if argv is None else argv
    parser = get_parser()
    args = parser.parse_args(argv)
    if args.num_utterances < 0 or not args.seconds > 0:
        parser.error("--num_utterances must not be negative, and --seconds positive")
    from espnet_codecse.report.page.write import Settings, write_page

    command = f"codecse report {shlex.join(argv)}"
    settings = Settings(args.title, args.metric, args.num_utterances, args.utterances, args.seconds, command)
    write_page(read_all_rows(args), args.output_dir, settings)
    print(f"report: open {args.output_dir / 'index.html'}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
