"""Build the parts of a trained model that inference needs, without ESPnet's task."""

import argparse

import torch

from espnet_codecse.enh.encoder.choices import ENCODERS
from espnet_codecse.enh.encoder.codec_encoder import CodecEncoder
from espnet_codecse.enh.separator.choices import SEPARATORS, separator_class
from espnet_codecse.level import LevelRule


class EncoderAndSeparator(torch.nn.Module):
    """The ``encoder`` and the ``separator`` of a model, which hold all weights."""

    def __init__(self, encoder: CodecEncoder, separator: torch.nn.Module):
        super().__init__()
        self.encoder, self.separator = encoder, separator


def build_trained(args: argparse.Namespace) -> EncoderAndSeparator | None:
    """Build a model from the options of a training; return None if only the task can build its separator (ESPnet's).

    Raises:
        ValueError: the options are invalid.
    """
    if args.separator not in SEPARATORS:
        return None
    # The losses are not built, but the enhancer decides by their names how to treat the level.
    if not all(isinstance(item, dict) and "name" in item for item in args.criterions):
        raise ValueError("criterions is no list of losses")
    LevelRule.of(args.model_conf.get("peak"), args.model_conf.get("reference_peak"))
    encoder = ENCODERS[args.encoder](**args.encoder_conf)
    separator = separator_class(args.separator)(encoder.output_dim, **args.separator_conf)
    return EncoderAndSeparator(encoder, separator)
