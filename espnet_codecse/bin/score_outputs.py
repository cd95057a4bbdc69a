"""Score the outputs of an experiment, the mixtures, and what the codec alone makes of them: stage 7 of the recipes.

    codecse score_outputs exp/nac_se_small --codec_outputs exp/codec_small --test_sets "test" --metrics "SI_SDR PESQ"

Each output gets a folder scoring beside its lists, as codecse score writes it, and a description of what was scored,
by which codecse results, report and pack find it. What was scored before is not scored again.
"""

import argparse
import sys
from pathlib import Path

from espnet_codecse.bin.format_data import sample_rate
from espnet_codecse.metrics.registry import DEFAULT_METRICS


def get_parser() -> argparse.ArgumentParser:
    """Build the argument parser."""
    parser = argparse.ArgumentParser(
        prog="codecse score_outputs", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("outputs", type=Path, help="folder of an experiment's outputs, <layer>_<set> in it")
    add("--codec_outputs", type=Path, help="the same of the codec alone, {clean,noisy}_<layer>_<set>")
    add("--dumpdir", type=Path, default=Path("dump"), help="formatted data (default: %(default)s)")
    add("--test_sets", default="test", help="sets, separated by spaces (default: '%(default)s')")
    add("--num_spk", type=int, default=1, help="speakers in a mixture (default: %(default)s)")
    add(
        "--resynthesised_references",
        action="store_true",
        help="score also against references that went through the "
        "codec: what its decoder does to every signal then counts for nothing",
    )
    add("--metrics", default=DEFAULT_METRICS, help="names, separated by spaces (default: '%(default)s')")
    add("--fs", type=sample_rate, default=0, help="sample rate at which everything is scored (default: its own)")
    add("--nj", type=int, default=0, help="processes (default: what cores and memory allow)")
    add("--cmd", default="", help="a runner such as '${train_cmd}': the nj parts of each output run as its jobs")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Score one output after the other; the first failure ends it."""
    args = get_parser().parse_args(sys.argv[1:] if argv is None else argv)
    from espnet_codecse.bin import score
    from espnet_codecse.report.experiments import write_description
    from espnet_codecse.report.scoring import scoring_tasks

    shared = ["--nj", str(args.nj)]
    if args.cmd:
        shared += ["--cmd", args.cmd]
    tasks = scoring_tasks(
        args.outputs, args.codec_outputs, args.dumpdir, args.test_sets.split(), args.metrics, args.num_spk,
        args.resynthesised_references,
    )  # fmt: skip
    for task in tasks:
        status = score.main([*task.options(args.fs), *shared])
        if status:
            return status
        if task.output.folder.is_dir():
            write_description(task.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
