"""Build the parts of a trained causal network that inference needs, without ESPnet's task."""

import argparse

import torch

from espnet_codecse.causal.framing import STFTSettings
from espnet_codecse.causal.separator import SEPARATORS, predicts_features
from espnet_codecse.features import configured_features


class TrainedCausalNetwork(torch.nn.Module):
    """The ``separator``, which holds all weights, and the source of the features that it takes.

    Attributes:
        settings: how the spectra are computed.
        given: speech that the features are computed from: ``none``, ``noisy`` or ``clean``.
        teacher: source of the features, as given to :func:`espnet_codecse.features.load_features`; None: no features.
        bounded: see :func:`espnet_codecse.causal.alignment.align`.
    """

    def __init__(self, args: argparse.Namespace):
        super().__init__()
        model_conf, conf = args.model_conf, dict(args.separator_conf)
        self.given: str = model_conf.get("given", "none")
        self.bounded: bool = model_conf.get("bounded", False)
        self.teacher = None
        if self.given != "none":
            self.teacher, features = configured_features(args.teacher_conf, args.codec)
            conf["embedding_size"] = features.dim
        if args.separator == "gcrn":
            conf["predicts"] = predicts_features(conf, model_conf)
        self.settings = STFTSettings.from_configuration(args.encoder_conf)
        self.separator = SEPARATORS[args.separator](self.settings.num_bins, **conf)


def build_trained(args: argparse.Namespace) -> TrainedCausalNetwork:
    """Build a model from the options of a training.

    Raises:
        UserError: the features that it takes cannot be loaded, or differ from those of the training.
        ValueError: the options are invalid.
    """
    return TrainedCausalNetwork(args)
