"""``codecse prepare_urgent``: write data directories of the URGENT 2024 challenge: speech, noise, validation set."""

import argparse
import sys
from pathlib import Path

from espnet_codecse.bin.numbers import natural
from espnet_codecse.bin.prepare_options import add_common_options
from espnet_codecse.errors import UserError


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    parser = argparse.ArgumentParser(
        prog="codecse prepare_urgent",
        description="Write data/{train,validation,vctk_demand_test} and the unpaired lists data/{unpaired_noisy,"
        "unpaired_speech,unpaired_noise} from the output of the URGENT 2024 challenge's prepare_espnet_data.sh. "
        "Training mixtures follow the challenge's rules. The same options produce identical files. An interrupted run "
        "resumes.",
    )
    add_common_options(parser, "URGENT")
    add = parser.add_argument
    add("--vctk_demand", type=Path, help="folder of the test set, VoiceBank-DEMAND (default: VCTK_DEMAND of db.sh)")
    add("--without_test", action="store_true", help="skip vctk_demand_test; then use run.sh --test_sets validation")
    add(
        "--num_train", type=natural, default=0, metavar="N", help="only N training utterances, spread over all speakers"
    )
    add("--num_valid", type=natural, default=0, metavar="N", help="only N validation utterances")
    add("--snr_range", type=float, nargs=2, metavar=("LOW", "HIGH"), default=(-5, 20), help="dB (default: -5 20)")
    add("--reverb_probability", type=float, default=0.5, help="share of mixtures with a room response (default: 0.5)")
    add("--keep_rates", action="store_true", help="mix and write at the rate of each utterance, for any codec")
    add("--official_train", action="store_true", help="take the mixtures of the challenge's data/train as they are")
    add(
        "--dynamic",
        action="store_true",
        help="write data/{clean,noise,rooms}_train for on-the-fly training instead of training mixtures",
    )
    add("--seed", type=natural, default=0, help="random seed (default: 0)")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the command and return the exit status."""
    args = get_parser().parse_args(argv)
    from espnet_codecse.corpus import vctk_demand
    from espnet_codecse.corpus.location import corpus_root
    from espnet_codecse.corpus.urgent import UrgentSettings, prepare
    from espnet_codecse.corpus.urgent_layout import VARIABLE
    from espnet_codecse.corpus.urgent_simulation import UrgentSimulation
    from espnet_codecse.job.resources import num_cores

    if args.snr_range[0] > args.snr_range[1]:
        raise UserError("--snr_range: {:g} is above {:g}; give the lower value first".format(*args.snr_range))
    if not 0 <= args.reverb_probability <= 1:
        raise UserError(f"--reverb_probability: {args.reverb_probability:g} is not between 0 and 1")
    root = corpus_root(VARIABLE, [], args.root)
    test = None if args.without_test else corpus_root(vctk_demand.VARIABLE, [], args.vctk_demand)
    simulation = UrgentSimulation(
        rate=args.fs,
        keep_rates=args.keep_rates,
        snr_range=tuple(args.snr_range),
        reverb_probability=args.reverb_probability,
        seed=args.seed,
    )
    settings = UrgentSettings(
        simulation,
        args.dynamic,
        args.official_train,
        test,
        args.num_train,
        args.num_valid,
        args.subset,
        args.incomplete,
    )
    for line in prepare(root, args.datadir, settings, args.nj or num_cores(), args.check):
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
