"""Write RESULTS.md from scoring folders.

    codecse results --title "mini enh1" --output RESULTS.md \\
        --row "Unprocessed|noisy|exp/noisy_test/scoring|dump/raw/test" \\
        --row "nac_se, loss pre|quantized|exp/x/quantized_test/scoring|dump/raw/test" \\
        --section_note "nac_se, loss pre|config: conf/nac_se/1_separator.yaml"

A row's data directory, which may be left out, tells SNR, noise and speaker of each mixture for breakdowns.
The row labelled 'noisy' (or '<set>/noisy') is what the paired differences are taken to.
"""

import argparse
import shlex
import sys
from pathlib import Path
from typing import Dict, List, Optional

from espnet_codecse.errors import UserError
from espnet_codecse.report.paper import paper_lines, read_paper
from espnet_codecse.report.results import DEFAULT_BREAKDOWN_METRICS, render, write_results
from espnet_codecse.report.scores import read_row


def get_parser() -> argparse.ArgumentParser:
    """Build the argument parser."""
    parser = argparse.ArgumentParser(
        prog="codecse results", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--row", action="append", required=True, metavar="'SECTION|LABEL|SCORES[|DATA]'",
        help="a line of a section: scoring folder, data directory; repeat it")
    add("--section_note", action="append", default=[], metavar="'SECTION|TEXT'", help="text below a heading; repeat it")
    add("--paper", type=Path, help="paper.yaml: published rows, which stand at the end with their sources")
    add("--breakdown_metrics", default=" ".join(DEFAULT_BREAKDOWN_METRICS),
        help="metrics by SNR, noise and speaker (default: '%(default)s')")
    add("--baseline", help="of a study: experiments <variant>_seed<n> are compared with <baseline>_seed<n>, in all and by "
        "SNR, and what is within noise is said")
    add("--title", default="RESULTS", help="heading (default: %(default)s)")
    add("--output", type=Path, default=Path("RESULTS.md"), help="file to write (default: %(default)s)")
    return parser


def _notes(specifications: List[str]) -> Dict[str, List[str]]:
    notes: Dict[str, List[str]] = {}
    for specification in specifications:
        section, separator, text = specification.partition("|")
        if not separator or not text.strip():
            raise UserError(f"--section_note '{specification}': must be 'section|text'")
        notes.setdefault(section.strip(), []).append(text.strip())
    return notes


def main(argv: Optional[List[str]] = None) -> int:
    """Write the file."""
    argv = sys.argv[1:] if argv is None else argv
    args = get_parser().parse_args(argv)
    text = render(
        [read_row(row) for row in args.row],
        command=f"codecse results {shlex.join(argv)}",
        title=args.title,
        notes=_notes(args.section_note),
        breakdown_metrics=args.breakdown_metrics.split(),
        baseline=args.baseline,
        published=paper_lines(read_paper(args.paper)) if args.paper else (),
    )
    write_results(args.output, text)
    print(f"results: {len(args.row)} rows are in {args.output}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
