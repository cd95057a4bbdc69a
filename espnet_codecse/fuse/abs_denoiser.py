"""The contract of denoisers, the networks of the diffusion."""

from abc import ABC, abstractmethod

import torch

from espnet_codecse.fuse.guidance import Guidance


class AbsDenoiser(ABC, torch.nn.Module):
    """Predict the target of the diffusion's objective.

    Attributes:
        guidance: projection of the guidance features; None: no guidance.
        reduction: the numbers of bins and frames of a latent must be multiples of this.
    """

    guidance: Guidance | None
    reduction: int

    @abstractmethod
    def forward(
        self,
        latent: torch.Tensor,
        times: torch.Tensor,
        noisy: torch.Tensor,
        features: torch.Tensor | None = None,
        kept: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return the prediction, which has the shape of ``latent``.

        Args:
            latent: noised latent ``(batch, channel, bin, frame)``; bins and frames are multiples of ``reduction``.
            times: ``(batch,)``, times of the diffusion.
            noisy: latent of the noisy speech, of the same shape.
            features: ``(batch, feature frame, dim)``, with guidance.
            kept: ``(batch,)`` bool, items that use their features; None: all.

        Returns:
            ``(batch, channel, bin, frame)``.
        """
