"""Losses between embeddings."""

import torch

from espnet_codecse.enh.loss.criterions.layer_loss import LayerLoss

LAYERS = ("continuous", "quantized")


class EmbeddingMSE(LayerLoss):
    """Mean squared error between the estimated and the reference embedding.

    ``layer: continuous`` is the loss of LatentSE and Codecformer-EL before the quantiser. ``layer: quantized`` is the
    loss after it, ``mean |Q(estimate) - Q(reference)|^2``, with a straight-through gradient. The model brings both
    arguments to the layer (:meth:`EmbeddingEnhancementModel.forward`), so that ESPnet's wrappers, including PIT, work
    unchanged.

    Args:
        layer: ``continuous`` or ``quantized``.
        decibel: use ``10 log10`` of the error relative to the reference's power, per utterance. The plain error of a
            mixture at 15 dB SNR is a hundredth of that at -5 dB, so that a model trained on both degrades the former.
        name: name of the value in logs.

    Raises:
        ValueError: the layer is unknown.
    """

    def __init__(self, layer: str = "continuous", decibel: bool = False, name: str = ""):
        super().__init__(layer, name or f"embedding_mse_{layer}")
        if layer not in LAYERS:
            raise ValueError(f"layer '{layer}' is neither 'continuous' nor 'quantized'")
        self.decibel = decibel

    def forward(self, ref: torch.Tensor, inf: torch.Tensor) -> torch.Tensor:
        """Return ``(batch,)`` for two tensors ``(batch, frame, channel)``."""
        error = (ref - inf).square().mean(dim=(1, 2))
        if not self.decibel:
            return error
        floor = 1e-4  # silent references have zero power
        return 10 * torch.log10((error + floor) / (ref.square().mean(dim=(1, 2)) + floor))
