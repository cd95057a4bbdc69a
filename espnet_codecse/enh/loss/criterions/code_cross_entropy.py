"""Cross-entropy of predicted codes."""

import torch

from espnet_codecse.enh.loss.criterions.layer_loss import LayerLoss

PADDING = -100  # code of frames after the end of an item


class CodeCrossEntropy(LayerLoss):
    """Cross-entropy per code, the mean over codebooks and valid frames, for models that predict codes.

    Args:
        name: name of the value in logs.
    """

    def __init__(self, name: str = ""):
        super().__init__("codes", name or "code_cross_entropy")

    def forward(self, ref: torch.Tensor, inf: torch.Tensor) -> torch.Tensor:
        """Return ``(batch,)`` in nats.

        Args:
            ref: codes ``(batch, frame, codebook)``, :data:`PADDING` after the end of an item.
            inf: logits ``(batch, frame, codebook, entry)``.
        """
        losses = torch.nn.functional.cross_entropy(
            inf.movedim(3, 1), ref, ignore_index=PADDING, reduction="none"
        )  # (batch, frame, codebook)
        return losses.sum((1, 2)) / (ref != PADDING).sum((1, 2)).clamp(min=1)
