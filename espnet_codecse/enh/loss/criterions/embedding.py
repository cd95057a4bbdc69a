"""Losses between embeddings."""

import torch
from espnet2.enh.loss.criterions.abs_loss import AbsEnhLoss

LAYERS = ("continuous", "quantized")


class EmbeddingMSE(AbsEnhLoss):
    """Mean squared error between estimated and reference embedding.

    ``layer: continuous`` is LatentSE's and Codecformer-EL's loss before the quantiser, ``quantized`` the one after
    it: ``mean |Q(estimate) - Q(reference)|^2`` with a straight-through gradient. The model brings both arguments to
    the layer (:meth:`EmbeddingEnhancementModel.forward`), so that ESPnet's wrappers, PIT among them, apply as they are.

    Args:
        layer: ``continuous`` or ``quantized``.
        decibel: take ``10 log10`` of the error relative to the reference's power, per utterance. The plain error of
            a mixture at 15 dB SNR is a hundredth of one at -5 dB: a model trained on both learns to spoil the former.
        name: name of the value in logs.

    Raises:
        ValueError: another layer.
    """

    def __init__(self, layer: str = "continuous", decibel: bool = False, name: str = ""):
        super().__init__()
        if layer not in LAYERS:
            raise ValueError(f"layer '{layer}' is neither 'continuous' nor 'quantized'")
        self.layer, self.decibel = layer, decibel
        self._name = name or f"embedding_mse_{layer}"

    @property
    def name(self) -> str:
        """Name in logs."""
        return self._name

    @property
    def only_for_test(self) -> bool:
        """Always False: the loss trains."""
        return False

    def forward(self, ref: torch.Tensor, inf: torch.Tensor) -> torch.Tensor:
        """Return ``(batch,)`` for two tensors ``(batch, frame, channel)``."""
        error = (ref - inf).square().mean(dim=(1, 2))
        if not self.decibel:
            return error
        floor = 1e-4  # silent references have no power to compare with
        return 10 * torch.log10((error + floor) / (ref.square().mean(dim=(1, 2)) + floor))
