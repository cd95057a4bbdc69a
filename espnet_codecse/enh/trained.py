"""Build the parts of a trained model that inference needs, without ESPnet's task."""

import argparse

import torch

from espnet_codecse.enh.encoder.codec_encoder import CodecEncoder
from espnet_codecse.enh.separator.choices import SEPARATORS, separator_class


class EncoderAndSeparator(torch.nn.Module):
    """The ``encoder`` and the ``separator`` of a model; the separator holds all weights."""

    def __init__(self, encoder: torch.nn.Module, separator: torch.nn.Module):
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
    peak = args.model_conf.get("peak")
    if peak is not None and not 0 < float(peak) <= 1:
        raise ValueError(f"model_conf.peak is {peak}")
    encoder = CodecEncoder(**args.encoder_conf)
    separator = separator_class(args.separator)(encoder.output_dim, **args.separator_conf)
    return EncoderAndSeparator(encoder, separator)
