"""Train the network for the band above 8 kHz, minutes on one core.

    codecse train_high_band --speech FULL_BAND/train --narrow_speech SPEECH/train --noise NOISE/train \\
        --valid_speech FULL_BAND/valid --valid_noise NOISE/valid --output_dir high_band

Mixtures are drawn at 48 kHz and enhanced below 8 kHz by --model. Full-band speech is scarce, so most of the clean
speech is at 16 kHz, extended by noise that follows its bands as in the full-band speech.
"""

import argparse
import logging
import sys
from pathlib import Path

from espnet_codecse.bin.numbers import positive


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of ``codecse train_high_band``."""
    parser = argparse.ArgumentParser(
        prog="codecse train_high_band", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--speech", type=Path, required=True, help="folder of full-band speech, at 44.1 kHz or more")
    add("--narrow_speech", type=Path, help="folder of speech at 16 kHz or more, extended to 48 kHz")
    add("--noise", type=Path, required=True, help="folder of noise; recordings below 44.1 kHz are left out")
    add("--valid_speech", type=Path, required=True, help="full-band speech for validation")
    add("--valid_noise", type=Path, required=True, help="noise for validation")
    add("--model", default="nac_se", help="model that enhances below 8 kHz (default: %(default)s)")
    add("--num_train", type=positive, default=2000, help="mixtures of 5 s for training (default: %(default)s)")
    add("--num_valid", type=positive, default=80, help="mixtures for validation (default: %(default)s)")
    add("--num_steps", type=positive, default=600, help="updates of 32 mixtures (default: %(default)s)")
    add("--seed", type=int, default=1, help="of mixtures, weights and batches (default: %(default)s)")
    add("--output_dir", type=Path, required=True, help="folder for model.safetensors")
    return parser


def main(argv: list[str] | None = None) -> None:
    """Draw the mixtures, train, and write the weights."""
    args = get_parser().parse_args(sys.argv[1:] if argv is None else argv)

    from safetensors.torch import save_file

    from espnet_codecse.errors import UserError
    from espnet_codecse.fileio import atomic_path
    from espnet_codecse.high_band.load import has_filter
    from espnet_codecse.high_band.read import read_full_band, read_narrow
    from espnet_codecse.high_band.simulate import Extension, Mixtures
    from espnet_codecse.high_band.training import make_examples, train
    from espnet_codecse.zoo.load import load_enhancer

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    enhancer = load_enhancer(args.model)
    if not has_filter(enhancer):
        raise UserError(f"--model {args.model}: give one that enhances one speaker at 16 kHz")
    speech, noise = read_full_band(args.speech, "--speech"), read_full_band(args.noise, "--noise")
    narrow = [] if args.narrow_speech is None else read_narrow(args.narrow_speech)
    extension = Extension(speech)
    training = Mixtures(speech, narrow, noise, extension)
    validation = Mixtures(
        read_full_band(args.valid_speech, "--valid_speech"),
        narrow,
        read_full_band(args.valid_noise, "--valid_noise"),
        extension,
    )
    network = train(
        make_examples(training, enhancer, args.num_train, args.seed),
        make_examples(validation, enhancer, args.num_valid, args.seed + 1),
        args.num_steps,
        seed=args.seed,
    )
    args.output_dir.mkdir(parents=True, exist_ok=True)
    with atomic_path(args.output_dir / "model.safetensors") as temporary:
        save_file(network.state_dict(), temporary)


if __name__ == "__main__":
    main()
