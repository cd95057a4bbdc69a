"""``codecse prepare_mini``: write data directories of mixtures of any recordings or of synthesised speech and noise."""

import argparse
import sys
from pathlib import Path

from espnet_codecse.bin.numbers import natural, not_negative, positive, sample_rate
from espnet_codecse.errors import UserError


def _range(low: str, high: str) -> dict:
    return {"type": float, "nargs": 2, "metavar": (low, high)}


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    parser = argparse.ArgumentParser(
        prog="codecse prepare_mini",
        description="Write data/{train,valid,test} (mixtures, references) and data/{clean,noise}_{train,valid,test}. "
        "Without --clean_dir, speech (eSpeak NG) and noise are synthesised; no network is needed. The same options "
        "produce identical files. An interrupted run resumes.",
    )
    add = parser.add_argument
    add("--dst", type=Path, default=Path("data"), help="folder of the data directories (default: data)")
    add(
        "--downloads",
        type=Path,
        default=Path("downloads"),
        help="folder of the synthesised corpus (default: downloads)",
    )
    add(
        "--clean_dir",
        type=Path,
        help="folder of clean recordings with one folder per speaker; or a folder with train, valid and test, each "
        "with speech/ and noise/, whose split is kept",
    )
    add("--noise_dir", type=Path, help="folder of noise recordings")
    add("--room_dir", type=Path, help="folder of recorded room responses for dynamic mixing, <dst>/rooms_train")
    add(
        "--test_room_dir",
        type=Path,
        help="folder of recorded room responses for the test mixtures (default: their rooms are simulated)",
    )
    add("--fs", type=sample_rate, default=16000, help="sample rate, such as 16000 or 16k (default: 16000)")
    add("--num_speakers", type=int, choices=(1, 2, 3), default=1, help="speakers in a mixture (default: 1)")
    add("--snr_range", **_range("LOW", "HIGH"), default=(-5.0, 20.0), help="train and valid, dB (default: -5 20)")
    add(
        "--test_snrs",
        type=float,
        nargs="+",
        default=(-5.0, 0.0, 5.0, 10.0, 15.0),
        metavar="DB",
        help="SNRs of the test mixtures, in turn (default: -5 0 5 10 15)",
    )
    add(
        "--ratio_range",
        **_range("LOW", "HIGH"),
        default=(-5.0, 5.0),
        help="level of speaker 1 relative to each other speaker, dB (default: -5 5)",
    )
    add("--level_range", **_range("LOW", "HIGH"), default=(-35.0, -15.0), help="mixture, dBFS (default: -35 -15)")
    add("--noise_probability", type=float, help="share of mixtures with noise (default: 1; 0 for several speakers)")
    add("--reverb_probability", type=float, default=0.2, help="share of train and valid in a room (default: 0.2)")
    add("--test_reverb_probability", type=float, default=0.0, help="share of test in a room (default: 0)")
    add("--rt60_range", **_range("LOW", "HIGH"), default=(0.15, 0.6), help="seconds (default: 0.15 0.6)")
    add(
        "--reverb_target",
        choices=("dry", "early"),
        default="dry",
        help="reference of a reverberant mixture: dry speech at the delay of the direct path, or with 50 ms of "
        "reflections",
    )
    add(
        "--num_train",
        type=natural,
        default=0,
        help="train mixtures (default: 300 if synthesised, else by --train_copies)",
    )
    add(
        "--num_valid", type=natural, default=0, help="valid mixtures (default: 30 if synthesised, else 2 per utterance)"
    )
    add("--train_copies", type=positive, default=4, help="mixtures per train utterance (default: 4)")
    add("--num_extra_noises", type=natural, default=0, help="synthesised noises added to the train noises (default: 0)")
    add(
        "--extra_noise_kinds",
        nargs="+",
        metavar="KIND",
        help="their kinds, in turn, of white, pink, brown, hum, modulated, impulses, babble, fan, engine, crowd "
        "(default: all but the last three)",
    )
    add(
        "--num_altered_noises",
        type=natural,
        default=0,
        help="altered train noises added to the train noises (default: 0)",
    )
    add(
        "--drift_probability",
        type=float,
        default=0.0,
        help="share of altered noises whose colour and level change over time (default: 0)",
    )
    add(
        "--num_rooms",
        type=natural,
        default=0,
        help="simulated room responses that join those of --room_dir (default: 0)",
    )
    add(
        "--max_duration",
        type=not_negative,
        default=8.0,
        help="longer train and valid speech is cut, seconds (default: 8)",
    )
    add("--seed", type=natural, default=0, help="seed of train and valid; the test set never changes (default: 0)")
    add("--nj", type=natural, default=0, help="processes (default: one per core)")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the command and return the exit status."""
    args = get_parser().parse_args(argv)
    from espnet_codecse.corpus.mini import MiniSettings, prepare
    from espnet_codecse.corpus.mixtures import MixtureSettings
    from espnet_codecse.corpus.noise import noise_kinds, training_noise_kinds
    from espnet_codecse.job.resources import num_cores

    for name in ("snr_range", "ratio_range", "level_range", "rt60_range"):
        low, high = getattr(args, name)
        if low > high:
            raise UserError(f"--{name}: {low:g} is above {high:g}; give the lower value first")
    for name in ("noise_probability", "reverb_probability", "test_reverb_probability", "drift_probability"):
        value = getattr(args, name)
        if value is not None and not 0 <= value <= 1:
            raise UserError(f"--{name}: {value:g} is not between 0 and 1")
    if args.test_room_dir and not args.test_reverb_probability:
        raise UserError("--test_room_dir: no test mixture is in a room; give --test_reverb_probability, such as 1, too")
    kinds = args.extra_noise_kinds or noise_kinds()
    if unknown := sorted(set(kinds) - set(training_noise_kinds())):
        raise UserError(f"--extra_noise_kinds: {', '.join(unknown)} not in {', '.join(training_noise_kinds())}")
    # As in WSJ0-2mix, mixtures of several speakers have no noise by default.
    noise_probability = args.noise_probability
    if noise_probability is None:
        noise_probability = 1.0 if args.num_speakers == 1 else 0.0
    mixtures = MixtureSettings(
        rate=args.fs,
        num_speakers=args.num_speakers,
        snr_range=tuple(args.snr_range),
        test_snrs=tuple(args.test_snrs),
        ratio_range=tuple(args.ratio_range),
        level_range=tuple(args.level_range),
        noise_probability=noise_probability,
        reverb_probability=args.reverb_probability,
        rt60_range=tuple(args.rt60_range),
        reverb_target=args.reverb_target,
        max_duration=args.max_duration,
        seed=args.seed,
    )
    settings = MiniSettings(
        mixtures=mixtures,
        num_train=args.num_train,
        num_valid=args.num_valid,
        train_copies=args.train_copies,
        test_reverb_probability=args.test_reverb_probability,
        num_extra_noises=args.num_extra_noises,
        extra_noise_kinds=tuple(kinds),
        num_altered_noises=args.num_altered_noises,
        drift_probability=args.drift_probability,
        num_rooms=args.num_rooms,
    )
    num_jobs = args.nj or num_cores()
    folders = args.clean_dir, args.noise_dir, args.downloads, args.room_dir, args.test_room_dir
    for line in prepare(args.dst, settings, num_jobs, *folders):
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
