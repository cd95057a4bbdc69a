"""Train a codec with ESPnet's codec task; options that are not listed here go to ESPnet.

    codecse train_codec --config conf/train.yaml --output_dir exp/codec --init_param exp/codec/init.pth --resume true \\
        --train_data_path_and_name_and_type dump/raw/train/wav.scp,audio,sound ...

egs2/mini/codec1 calls it. python3 -m espnet2.bin.gan_codec_train --help lists ESPnet's options. This command adds
"--codec hybrid", the small codec.
"""

import argparse
import sys


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of the options that ESPnet requires."""
    parser = argparse.ArgumentParser(
        prog="codecse train_codec", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", required=True, help="yaml of ESPnet's codec task")
    parser.add_argument("--output_dir", required=True, help="experiment folder")
    return parser


def main(argv: list[str] | None = None) -> None:
    """Train, as ``espnet2.bin.gan_codec_train`` does."""
    args, espnet_options = get_parser().parse_known_args(sys.argv[1:] if argv is None else argv)
    from espnet_codecse.task.codec import CodecTask
    from espnet_codecse.task.device import device_options

    command = ["--config", args.config, "--output_dir", args.output_dir]
    CodecTask.main(cmd=[*command, *device_options(espnet_options), *espnet_options])


if __name__ == "__main__":
    main()
