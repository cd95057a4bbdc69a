"""The contract of the networks that predict a step of the diffusion."""

from abc import ABC, abstractmethod

import torch

from espnet_codecse.fuse.guidance import Guidance


class AbsDenoiser(ABC, torch.nn.Module):
    """Predicts what the diffusion's objective asks for.

    Attributes:
        guidance: how features enter; None: there are none.
        reduction: bins and frames of a latent are multiples of it.
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
        """Predict.

        Args:
            latent: ``(batch, channel, bin, frame)``, noised; bins and frames multiples of ``reduction``.
            times: ``(batch,)`` of the diffusion.
            noisy: the noisy speech's latent, likewise.
            features: ``(batch, feature frame, dim)``, with guidance.
            kept: ``(batch,)`` bool, whose features are shown; None shows all.

        Returns:
            As ``latent``.
        """
