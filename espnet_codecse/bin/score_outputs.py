"""Score the outputs of an experiment, the mixtures, and speech through the codec alone: stage 7 of the recipes.

    codecse score_outputs exp/nac_se_small --codec_outputs exp/codec_small --test_sets "test" --metrics "SI_SDR PESQ"

For each output, codecse score writes a folder scoring beside its lists. A description in that folder lets codecse
results, report and pack find it. Existing scores are not computed again.
"""

import argparse
import sys
from pathlib import Path

from espnet_codecse.bin.numbers import natural, positive, sample_rate
from espnet_codecse.metrics.registry import DEFAULT_METRICS


def get_parser() -> argparse.ArgumentParser:
    """Build the argument parser."""
    parser = argparse.ArgumentParser(
        prog="codecse score_outputs", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("outputs", type=Path, help="folder of an experiment's outputs, with <layer>_<set>")
    add("--codec_outputs", type=Path, help="folder of the codec's outputs, with {clean,noisy}_<layer>_<set>")
    add("--dumpdir", type=Path, default=Path("dump"), help="formatted data (default: %(default)s)")
    add("--test_sets", default="test", help="sets, separated by spaces (default: '%(default)s')")
    add("--num_spk", type=positive, default=1, help="speakers in a mixture (default: %(default)s)")
    add(
        "--resynthesised_references",
        action="store_true",
        help="also score against references that went through the codec, so that distortions of its decoder do not "
        "count",
    )
    add("--metrics", default=DEFAULT_METRICS, help="names, separated by spaces (default: '%(default)s')")
    add("--fs", type=sample_rate, default=0, help="sample rate for scoring (default: that of the recordings)")
    add("--nj", type=natural, default=0, help="processes (default: as many as cores and memory allow)")
    add("--cmd", default="", help="runner such as '${train_cmd}' that runs the nj parts of each output as jobs")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Score one output after another; stop at the first failure."""
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
