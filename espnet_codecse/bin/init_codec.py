"""Initialise the small codec from speech: normalisation and k-means codebooks.

usage: codecse init_codec --config conf/train.yaml --wav_scp data/clean_train/wav.scp --output exp/init.pth
"""

import argparse
import sys

from espnet_codecse.bin.numbers import natural, positive


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of ``codecse init_codec``."""
    parser = argparse.ArgumentParser(prog="codecse init_codec", description=__doc__.split("\n")[0])
    parser.add_argument("--config", required=True, help="yaml of the training; its codec_conf describes the network")
    parser.add_argument("--wav_scp", required=True, help="clean speech at the codec's rate")
    parser.add_argument("--output", required=True, help="checkpoint for --init_param of codecse train_codec")
    parser.add_argument(
        "--max_frames", type=positive, default=100_000, help="frames used by k-means (default: %(default)s)"
    )
    parser.add_argument(
        "--seed", type=natural, default=0, help="seed of weights, levels and centres (default: %(default)s)"
    )
    return parser


def main(argv: list[str] | None = None) -> None:
    """Write a checkpoint with the keys of ESPnet's codec model."""
    args = get_parser().parse_args(sys.argv[1:] if argv is None else argv)
    import numpy as np
    import torch
    from tqdm import tqdm

    from espnet_codecse.audio import read_audio
    from espnet_codecse.codec.mdct.gan import initialise_from_speech
    from espnet_codecse.codec.mdct.model import MDCTCodecNet
    from espnet_codecse.documents import read_yaml
    from espnet_codecse.errors import UserError
    from espnet_codecse.fileio import atomic_path, read_scp
    from espnet_codecse.task.device import use_all_cores

    use_all_cores()
    conf = read_yaml(args.config, "not a configuration of codec training: check --config").get("codec_conf")
    if not isinstance(conf, dict):
        raise UserError(f"{args.config}: not a configuration of codec training (no codec_conf); check --config")
    torch.manual_seed(args.seed)
    net = MDCTCodecNet(sample_rate=conf.get("sampling_rate", 16000), **conf.get("generator_params", {}))
    low, high = conf.get("gain_range_db", (-38.0, -14.0))
    rng = np.random.default_rng(args.seed)
    paths = list(read_scp(args.wav_scp).values())

    def clips():
        frames = 0
        for index in tqdm(rng.permutation(len(paths)), desc="reading speech", unit="file"):
            samples, rate = read_audio(paths[index])
            if rate != net.configuration["sample_rate"]:
                raise UserError(f"{paths[index]}: {rate} Hz is not the codec's rate; run codecse format --fs first")
            level_db = rng.uniform(low, high)
            rms = max(float(np.sqrt(np.mean(samples**2))), 1e-4)
            yield torch.from_numpy(samples[:, 0] * 10 ** (level_db / 20) / rms)
            frames += len(samples) // net.hop
            if frames > 2 * args.max_frames:
                return

    report = initialise_from_speech(net, clips(), seed=args.seed, max_frames=args.max_frames)
    print(f"k-means on {report['num_frames']} frames; first channel of each codebook's band: {report['bands']}")
    with atomic_path(args.output) as temporary:
        torch.save({f"codec.generator.{key}": value for key, value in net.state_dict().items()}, temporary)


if __name__ == "__main__":
    main()
