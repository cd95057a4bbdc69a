"""Score enhanced speech against clean references.

codecse score --ref_scp dump/raw/test/spk1.scp --inf_scp exp/x/enhanced_test/spk1.scp --output_dir exp/x/scoring
codecse score --ref_scp clean_folder --inf_scp enhanced_folder --output_dir scoring --metrics "SI_SDR PESQ"
"""

import argparse
import sys
from pathlib import Path

from espnet_codecse.bin.numbers import natural, sample_rate
from espnet_codecse.job.array import add_job_options, submitter
from espnet_codecse.metrics.registry import DEFAULT_METRICS, groups, known_metrics, select


def _metric_table() -> str:
    lines = ["metrics:"]
    for metric in known_metrics():
        rate = f"{metric.sample_rate} Hz" if metric.sample_rate else "any rate"
        reference = "" if metric.needs_reference else ", no reference"
        direction = "" if metric.higher_is_better else ", lower is better"
        low, high = (f"{limit:g}" for limit in metric.range)
        lines.append(f"  {metric.name:<17}{metric.description} ({rate}{reference}; {low} to {high}{direction})")
    lines += [f"  {name:<17}{', '.join(columns)}, computed together" for name, columns in groups().items()]
    return "\n".join(lines)


def get_parser() -> argparse.ArgumentParser:
    """Build the argument parser."""
    parser = argparse.ArgumentParser(
        prog="codecse score",
        description=__doc__.split("\n")[0],
        epilog=_metric_table(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "--ref_scp",
        action="append",
        default=[],
        metavar="SCP",
        help="clean speech: scp, folder or file; repeat per speaker",
    )
    add(
        "--inf_scp",
        action="append",
        required=True,
        metavar="SCP",
        help="speech to score: scp, folder or file; repeat per speaker (order chosen by SI-SDR)",
    )
    add("--without_reference", action="store_true", help="there is no clean speech: skip metrics that need it")
    add("--mix_scp", default="", metavar="SCP", help="unprocessed mixtures: scp, folder or file, for SI_SDRi, SDRi")
    add(
        "--fs",
        type=sample_rate,
        default=0,
        help="resample all recordings to this rate first, such as 8k (default: do not resample)",
    )
    add(
        "--output_dir",
        required=True,
        type=Path,
        help="folder for <METRIC>_spk<n>, result_<metric>.txt, scores.csv, summary.json and summary.md",
    )
    add("--metrics", default=DEFAULT_METRICS, help="names, separated by spaces (default: '%(default)s')")
    add("--versa_config", type=Path, help="VERSA's list of metrics, if VERSA is installed; one speaker")
    add("--nj", type=natural, default=0, help="processes (default: as many as cores and memory allow)")
    add_job_options(parser)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Score, write the files and print one line per metric."""
    argv = sys.argv[1:] if argv is None else argv
    args = get_parser().parse_args(argv)
    from espnet_codecse.errors import UserError
    from espnet_codecse.job import default_nj
    from espnet_codecse.job.lock import exclusive
    from espnet_codecse.metrics.overview import write_overview
    from espnet_codecse.metrics.score import score_set, write_column
    from espnet_codecse.metrics.versa import versa_columns

    if args.versa_config and len(args.inf_scp) > 1:
        raise UserError("--versa_config: VERSA scores one speaker at a time; give one --inf_scp")
    nj = args.nj or default_nj(mem_per_job=1.0)
    metrics = args.metrics.split()
    if args.without_reference:
        metrics = [metric.name for metric in select(metrics) if not metric.needs_reference]
        if not metrics:
            print(f"score: all of {args.metrics} need a reference; nothing to score", file=sys.stderr)
            return 0
    submit = submitter("score", args, argv, args.output_dir / "log", nj)
    with exclusive(args.output_dir, args.part):
        summaries = score_set(
            args.ref_scp, args.inf_scp, args.output_dir, metrics, nj, args.part, submit, args.mix_scp, args.fs
        )
        if args.part is not None:
            print(f"part {args.part[0]} of {args.part[1]} is done")
            return 0
        if args.versa_config:
            columns = versa_columns(next(iter(args.ref_scp), None), args.inf_scp[0], args.versa_config, args.output_dir)
            for name, column in columns.items():
                table: dict[str, dict[str, list[float | None]]] = {
                    utterance: {name: [value]} for utterance, value in column.items()
                }
                summaries.append(write_column(args.output_dir, name, table, 1))
        write_overview(args.output_dir, summaries, len(args.inf_scp))
        for item in summaries:
            undefined = f", {item.num_nan} undefined (nan: silent, too short or not computed)" if item.num_nan else ""
            print(f"{item.metric:<13}{item.mean:8.3f}  mean of {item.num_values}{undefined}")
        print(f"scores are in {args.output_dir}")
        return 0


if __name__ == "__main__":
    sys.exit(main())
