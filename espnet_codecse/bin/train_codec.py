"""Train a codec by ESPnet's codec task: ``codecse train_codec --config conf/train.yaml ...`` (ESPnet's options)."""

import sys
from typing import List, Optional


def get_parser():
    """Return ESPnet's parser of the codec task."""
    from espnet_codecse.task.codec import CodecTask

    return CodecTask.get_parser()


def main(argv: Optional[List[str]] = None) -> None:
    """Train as ``espnet2.bin.gan_codec_train`` does."""
    from espnet_codecse.task.codec import CodecTask
    from espnet_codecse.task.device import device_options

    argv = sys.argv[1:] if argv is None else argv
    CodecTask.main(cmd=[*device_options(argv), *argv])


if __name__ == "__main__":
    main()
