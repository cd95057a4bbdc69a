"""The contract of causal networks, which enhance a spectrum at once or frame by frame."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn


class AbsCausalNetwork(nn.Module, ABC):
    """A causal network on complex spectra.

    Attributes:
        num_bins: bins of its spectra.
        condition: ``teacher`` if it takes a teacher's features, see :class:`espnet_codecse.causal.gcrn.GCRN`.
        predictor: part that predicts features; None: it predicts none.
    """

    num_bins: int
    condition: str
    predictor: nn.Module | None

    @abstractmethod
    def forward(
        self, spectrum: torch.Tensor, embedding: torch.Tensor | None = None, state: Any = None
    ) -> tuple[torch.Tensor, torch.Tensor | None, Any]:
        """Enhance the frames that follow those of ``state``.

        Args:
            spectrum: ``(batch, 2, frame, bin)``, real and imaginary part.
            embedding: ``(batch, frame, channel)``, for the condition ``teacher``.
            state: state returned for the previous frames; None: start of a recording.

        Returns:
            ``(enhanced spectrum, predicted embedding (batch, frame, channel) or None, next state)``; the enhanced
            spectrum has the shape of ``spectrum``.
        """

    @abstractmethod
    def flatten(self, state: Any) -> list[torch.Tensor]:
        """Return the tensors of a state in a fixed order."""

    @abstractmethod
    def unflatten(self, tensors: Sequence[torch.Tensor]) -> Any:
        """Return the state of these tensors; the inverse of :meth:`flatten`."""

    @torch.no_grad()
    def silent_state(self) -> list[torch.Tensor]:
        """Return the tensors of the state of one recording before its first frame: zeros."""
        device = next(self.parameters()).device
        state = self(torch.zeros(1, 2, 1, self.num_bins, device=device))[2]
        return [torch.zeros_like(tensor) for tensor in self.flatten(state)]
