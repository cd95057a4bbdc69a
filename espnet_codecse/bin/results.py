"""Write RESULTS.md from all scores of an experiment folder.

    codecse results --expdir exp --test_sets "test" --title "RESULTS: mini, test" --output exp/RESULTS.md
    codecse results --row "Unprocessed|noisy|noisy/scoring|data/test" --row "mine|enhanced|mine/scoring" --title mine

--row adds a scoring folder from anywhere as a row. Its data directory is optional; it provides the SNR, noise and
speaker of each mixture for the breakdowns. Paired differences are relative to the row labelled 'noisy' (or
'<set>/noisy').
"""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from espnet_codecse.bin.scored_options import add_row_option, add_scored_options, read_all_rows
from espnet_codecse.errors import UserError
from espnet_codecse.report.experiments import CODEC_NOTES, EXPERIMENT, UNPROCESSED
from espnet_codecse.report.paper import paper_lines, read_paper
from espnet_codecse.report.results import DEFAULT_BREAKDOWN_METRICS, render, write_results
from espnet_codecse.report.scores import Row
from espnet_codecse.report.tables import duration
from espnet_codecse.report.training_log import read_summary


def get_parser() -> argparse.ArgumentParser:
    """Build the argument parser."""
    parser = argparse.ArgumentParser(
        prog="codecse results", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add_scored_options(parser)
    add_row_option(parser)
    add("--data_note", default="", help="description of the data, printed below the heading of the mixtures")
    add(
        "--section_note",
        action="append",
        default=[],
        metavar="'SECTION|TEXT'",
        help="text below a heading; may be repeated",
    )
    add("--paper", type=Path, help="paper.yaml with published rows, printed at the end with their sources")
    add(
        "--breakdown_metrics",
        default=" ".join(DEFAULT_BREAKDOWN_METRICS),
        help="metrics to break down by SNR, noise and speaker (default: '%(default)s')",
    )
    add(
        "--baseline",
        help="baseline of a study: compares experiments <variant>_seed<n> with <baseline>_seed<n>, overall and by "
        "SNR, and reports which differences are within noise",
    )
    add("--title", default="RESULTS", help="heading (default: %(default)s)")
    add("--output", type=Path, default=Path("RESULTS.md"), help="file to write (default: %(default)s)")
    return parser


def _notes(rows: Sequence[Row], data_note: str, specifications: Sequence[str]) -> dict[str, list[str]]:
    """Return ``{section: paragraphs}``: data, configurations of each experiment, notes from the command line."""
    notes: dict[str, list[str]] = {}
    if data_note:
        notes[UNPROCESSED] = [f"Data: {data_note}"]
    for row in rows:
        if row.output.kind == EXPERIMENT and row.section not in notes:
            configurations = sorted(row.output.experiment_dir.glob("[0-9]_*/config.yaml"))
            notes[row.section] = [f"Configuration: {path}{_training(path.parent)}" for path in configurations]
        elif row.section in CODEC_NOTES:
            notes[row.section] = [CODEC_NOTES[row.section]]
    for specification in specifications:
        section, separator, text = specification.partition("|")
        if not separator or not text.strip():
            raise UserError(f"--section_note '{specification}': must be 'section|text'")
        notes.setdefault(section.strip(), []).append(text.strip())
    return notes


def _training(folder: Path) -> str:
    """Return what the training of a step took, for the end of a line; empty if its log is not there."""
    summary = read_summary(folder / "train.log")
    if summary is None:
        return ""
    parameters = [f"{summary.num_parameters} trainable parameters"] if summary.num_parameters else []
    parts = [*parameters, f"{summary.num_steps:,} steps in {duration(summary.num_seconds)}", *summary.machines]
    return f". {', '.join(parts)}"


def main(argv: list[str] | None = None) -> int:
    """Write the file."""
    argv = sys.argv[1:] if argv is None else argv
    args = get_parser().parse_args(argv)
    rows = read_all_rows(args)
    text = render(
        rows,
        command=f"codecse results {shlex.join(argv)}",
        title=args.title,
        notes=_notes(rows, args.data_note, args.section_note),
        breakdown_metrics=args.breakdown_metrics.split(),
        baseline=args.baseline,
        published=paper_lines(read_paper(args.paper)) if args.paper else (),
    )
    write_results(args.output, text)
    print(f"results: {len(rows)} rows are in {args.output}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
