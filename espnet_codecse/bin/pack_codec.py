"""Convert a trained small codec to a folder for ``--codec``.

usage: codecse pack_codec --checkpoint exp/codec/valid.loss.best.pth --output_dir small_codec
"""

import argparse
import sys
from pathlib import Path


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of ``codecse pack_codec``."""
    parser = argparse.ArgumentParser(prog="codecse pack_codec", description=__doc__.split("\n")[0])
    parser.add_argument("--checkpoint", required=True, help="weights in an experiment folder with its config.yaml")
    parser.add_argument(
        "--high_band_gain",
        type=float,
        default=0.5,
        help="gain of the band that the decoder synthesises, relative to training; PESQ counts this band as noise, "
        "DNSMOS P.808 penalises its absence, and half suits both (default: %(default)s)",
    )
    parser.add_argument("--output_dir", required=True, help="folder for config.yaml and model.safetensors")
    return parser


def main(argv: list[str] | None = None) -> None:
    """Write the folder and print the codec's identity."""
    args = get_parser().parse_args(sys.argv[1:] if argv is None else argv)

    from espnet_codecse.checkpoint import load_checkpoint, load_strictly
    from espnet_codecse.codec.mdct.codec import MDCTCodec, save_mdct_codec
    from espnet_codecse.codec.mdct.model import MDCTCodecNet
    from espnet_codecse.documents import read_yaml
    from espnet_codecse.errors import UserError

    checkpoint = Path(args.checkpoint)
    config = checkpoint.parent / "config.yaml"
    conf = read_yaml(config, "not a configuration of codec training: train the codec first").get("codec_conf")
    if not isinstance(conf, dict):
        raise UserError(f"{config}: not a configuration of codec training (no codec_conf); train it first")
    net = MDCTCodecNet(sample_rate=conf.get("sampling_rate", 16000), **conf.get("generator_params", {}))
    prefix = "codec.generator."
    state = load_checkpoint(checkpoint)
    load_strictly(net, {k[len(prefix) :]: v for k, v in state.items() if k.startswith(prefix)}, checkpoint)
    if net.decoder.learned is not None:
        for parameter in net.decoder.learned[-1].parameters():
            parameter.data.mul_(args.high_band_gain)
    save_mdct_codec(net, Path(args.output_dir))
    codec = MDCTCodec(Path(args.output_dir), "packed")
    num_parameters = sum(value.numel() for value in codec.net.state_dict().values())
    size_mb = sum(file.stat().st_size for file in Path(args.output_dir).iterdir()) / 1e6
    size = f"{num_parameters / 1e6:.2f} M parameters with codebooks, {size_mb:.1f} MB"
    print(f"{args.output_dir}: {size}, {codec.fingerprint}")


if __name__ == "__main__":
    main()
