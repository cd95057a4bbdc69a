"""``codecse prepare_dns``: write data directories of the DNS-Challenge's speech, noise and test sets."""

import argparse
import sys
from pathlib import Path

from espnet_codecse.bin.numbers import above_zero, natural, not_negative
from espnet_codecse.bin.prepare_options import add_common_options
from espnet_codecse.errors import UserError


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    parser = argparse.ArgumentParser(
        prog="codecse prepare_dns",
        description="Write data/{train,valid,no_reverb,with_reverb,real_recordings} of the DNS-Challenge. Training "
        "clips are mixed from its clean speech, noise and room responses by the challenge's rules, or taken from a "
        "synthetic set in <root>/training/{noisy,clean}. The same options produce identical files. An interrupted run "
        "resumes.",
    )
    add_common_options(parser, "DNS")
    add = parser.add_argument
    add("--hours", type=above_zero, default=100.0, help="hours of training and validation clips (default: %(default)s)")
    add("--clip_seconds", type=above_zero, default=30.0, help="length of a clip (default: %(default)s)")
    add(
        "--silence_seconds",
        type=not_negative,
        default=0.2,
        help="between the recordings of a clip (default: %(default)s)",
    )
    add("--snr_range", type=int, nargs=2, metavar=("LOW", "HIGH"), default=(-5, 20), help="dB (default: -5 20)")
    add("--level_range", type=int, nargs=2, metavar=("LOW", "HIGH"), default=(-35, -15), help="dBFS (default: -35 -15)")
    add("--min_activity", type=float, default=0.6, help="share of a clip with speech (default: %(default)s)")
    add("--reverb_probability", type=float, default=0.5, help="share of clips with a room response (default: 0.5)")
    add(
        "--reverb_target",
        choices=("reverberant", "early", "dry"),
        default="reverberant",
        help="reference of a reverberant clip; those of the test set are reverberant (default)",
    )
    add("--rooms", choices=("real", "synthetic", "both"), default="both", help="room responses (default: both)")
    add(
        "--t60_range",
        type=float,
        nargs=2,
        metavar=("LOW", "HIGH"),
        default=(0.3, 1.3),
        help="reverberation time of the room responses, seconds (default: 0.3 1.3)",
    )
    add("--synthetic", type=Path, help="folder with noisy/ and clean/ of a synthetic training set, used as it is")
    add("--test_dir", type=Path, help="folder of the 2020 test set, if the corpus is a later edition")
    add(
        "--dynamic",
        action="store_true",
        help="write data/{clean,noise,rooms}_train for on-the-fly training instead of training clips",
    )
    add(
        "--low_snr",
        action="store_true",
        help="also write data/low_snr: the test clips without reverberation, with their own noise at -10, -5, 0 or "
        "5 dB",
    )
    add("--seed", type=natural, default=0, help="random seed (default: 0)")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the command and return the exit status."""
    args = get_parser().parse_args(argv)
    from espnet_codecse.corpus.dns import VARIABLE, DnsSettings, prepare
    from espnet_codecse.corpus.dns_simulation import DnsSimulation
    from espnet_codecse.corpus.location import corpus_root
    from espnet_codecse.job.resources import num_cores

    for name in ("snr_range", "level_range", "t60_range"):
        low, high = getattr(args, name)
        if low > high:
            raise UserError(f"--{name}: {low:g} is above {high:g}; give the lower value first")
    for name in ("min_activity", "reverb_probability"):
        if not 0 <= getattr(args, name) <= 1:
            raise UserError(f"--{name}: {getattr(args, name):g} is not between 0 and 1")
    for name in ("hours", "clip_seconds"):
        if getattr(args, name) <= 0:
            raise UserError(f"--{name}: {getattr(args, name):g} is not above 0")
    simulation = DnsSimulation(
        rate=args.fs,
        hours=args.hours,
        clip_seconds=args.clip_seconds,
        silence_seconds=args.silence_seconds,
        snr_range=tuple(args.snr_range),
        level_range=tuple(args.level_range),
        min_activity=args.min_activity,
        reverb_probability=args.reverb_probability,
        reverb_target=args.reverb_target,
        seed=args.seed,
    )
    settings = DnsSettings(
        simulation,
        args.synthetic,
        args.test_dir,
        args.dynamic,
        args.rooms,
        tuple(args.t60_range),
        args.subset,
        args.incomplete,
        args.low_snr,
    )
    root = corpus_root(VARIABLE, [], args.root)
    for line in prepare(root, args.datadir, settings, args.nj or num_cores(), args.check):
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
