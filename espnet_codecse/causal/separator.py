"""The causal GCRN as an ESPnet separator."""

from collections.abc import Sequence
from typing import Any

import torch

from espnet_codecse.causal.gcrn import GCRN, NUM_BINS, GCRNState
from espnet_codecse.espnet_base import AbsSeparator


class GCRNSeparator(AbsSeparator):
    """Map the complex spectrum of noisy speech to that of clean speech, frame by frame or all at once.

    Args:
        input_dim: number of bins of the encoder's spectrum; must be 257.
        num_spk: number of speakers; must be 1.
        channels, num_groups, embedding_size, condition, mixing_alpha, skips, output: see :class:`GCRN`.

    Raises:
        ValueError: the number of bins or speakers is wrong.
    """

    def __init__(
        self,
        input_dim: int,
        num_spk: int = 1,
        channels: Sequence[int] = (16, 20, 28, 36, 64),
        num_groups: int = 2,
        embedding_size: int = 0,
        condition: str = "none",
        mixing_alpha: float = 0.0,
        skips: bool = True,
        output: str = "spectrum",
    ):
        super().__init__()
        if input_dim != NUM_BINS or num_spk != 1:
            raise ValueError(f"gcrn enhances one speaker in spectra of {NUM_BINS} bins, not {num_spk} in {input_dim}")
        self.network = GCRN(channels, num_groups, embedding_size, condition, mixing_alpha, skips, output)

    @property
    def num_spk(self) -> int:
        """Number of speakers."""
        return 1

    def forward(
        self, input: torch.Tensor, ilens: torch.Tensor, additional: dict[str, Any] | None = None
    ) -> tuple[list[torch.Tensor], torch.Tensor, dict[str, torch.Tensor]]:
        """Enhance recordings.

        Args:
            input: ``(batch, frame, bin)``, complex.
            ilens: ``(batch,)`` frames.
            additional: ``embedding (batch, frame, channel)`` for the condition ``teacher``.

        Returns:
            ``([enhanced spectrum], ilens, {"embedding": predicted features})``; the dictionary is empty if the network
            predicts no features.
        """
        embedding = (additional or {}).get("embedding")
        enhanced, student, _ = self.network(_parts(input), embedding)
        return [_complex(enhanced)], ilens, {} if student is None else {"embedding": student}

    def forward_streaming(
        self, input_frame: torch.Tensor, states: GCRNState | None = None
    ) -> tuple[list[torch.Tensor], GCRNState, dict[str, torch.Tensor]]:
        """Enhance the frames ``(batch, frame, bin)`` that follow those of ``states``; ESPnet's streaming interface."""
        enhanced, _, states = self.network(_parts(input_frame), None, states)
        return [_complex(enhanced)], states, {}


def _parts(spectrum: torch.Tensor) -> torch.Tensor:
    """Return ``(batch, 2, frame, bin)`` for the complex ``(batch, frame, bin)``."""
    return torch.stack([spectrum.real, spectrum.imag], dim=1)


def _complex(parts: torch.Tensor) -> torch.Tensor:
    return torch.complex(*parts.float().unbind(1))
