"""Frame features of DistillMOS, a network that was distilled from one on XLS-R embeddings (2502.05356).

They install with the wheel ``distillmos``, weights included: the nearest to a self-supervised model that needs no hub.
"""

import contextlib
import io

import torch

from espnet_codecse.errors import UserError
from espnet_codecse.features.abs_features import AbsFeatures, hash_of_weights

VERSIONS = ("v7",)
SEGMENT = 122880  # samples that its transformer takes at once: 7.68 s
FRAMES_PER_SEGMENT = 384


class DistillMOSFeatures(AbsFeatures):
    """The output of DistillMOS's transformer before it is pooled over time, 200 values every 20 ms.

    A recording is cut into segments of 7.68 s; each is brought to a peak of one, as by the package.

    Args:
        name: version of the weights, ``v7``.

    Raises:
        UserError: the version is unknown, or the package is not installed.
    """

    def __init__(self, name: str):
        super().__init__()
        if name not in VERSIONS:
            raise UserError(f"features of distillmos: no version '{name}'; known: {', '.join(VERSIONS)}")
        try:
            from distillmos import ConvTransformerSQAModel
        except ImportError:
            raise UserError("features of distillmos: not installed; pip install distillmos") from None
        with contextlib.redirect_stdout(io.StringIO()):  # it prints where its weights are
            self.network = ConvTransformerSQAModel()
        self.name, self.hop = name, SEGMENT // FRAMES_PER_SEGMENT
        self.dim = self.network.transformer_pool_attn.norm_trans.num_features
        self.fingerprint = hash_of_weights(self.network)

    def num_frames(self, num_samples: int) -> int:
        """See the base class."""
        return -(-num_samples // self.hop)

    def features(self, speech: torch.Tensor) -> torch.Tensor:
        """See the base class."""
        batch, num_samples = speech.shape
        segments = torch.nn.functional.pad(speech, (0, -num_samples % SEGMENT)).view(-1, SEGMENT)
        segments = segments / (segments.abs().amax(1, keepdim=True) + 1e-8)
        part = self.network.transformer_pool_attn
        hidden = part.norm_input(self.network.cnn(segments)).transpose(1, 2)
        hidden = part.norm_trans(part.transformer(hidden).transpose(1, 2)).transpose(1, 2)
        return hidden.reshape(batch, -1, self.dim)[:, : self.num_frames(num_samples)]
