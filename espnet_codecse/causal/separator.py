"""Causal networks as ESPnet separators."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from espnet_codecse.causal.abs_network import AbsCausalNetwork
from espnet_codecse.causal.dpcrn import DPCRN
from espnet_codecse.causal.gcrn import GCRN, NUM_BINS
from espnet_codecse.espnet_base import AbsSeparator


class CausalSeparator(AbsSeparator):
    """Map the complex spectrum of noisy speech to that of clean speech, frame by frame or all at once.

    Args:
        network: the network.
        num_spk: number of speakers; must be 1.

    Raises:
        ValueError: the number of speakers is wrong.
    """

    def __init__(self, network: AbsCausalNetwork, num_spk: int):
        super().__init__()
        if num_spk != 1:
            raise ValueError(f"causal networks enhance one speaker, not {num_spk}")
        self.network = network

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
        self, input_frame: torch.Tensor, states: Any = None
    ) -> tuple[list[torch.Tensor], Any, dict[str, torch.Tensor]]:
        """Enhance the frames ``(batch, frame, bin)`` that follow those of ``states``; ESPnet's streaming interface."""
        enhanced, _, states = self.network(_parts(input_frame), None, states)
        return [_complex(enhanced)], states, {}


class GCRNSeparator(CausalSeparator):
    """:class:`GCRN` as a separator.

    Args:
        input_dim: number of bins of the encoder's spectrum; must be 257.
        num_spk: number of speakers; must be 1.
        channels, num_groups, embedding_size, condition, mixing_alpha, skips, output, predicts: see :class:`GCRN`.

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
        predicts: bool | None = None,
    ):
        if input_dim != NUM_BINS:
            raise ValueError(f"gcrn takes spectra of {NUM_BINS} bins, not {input_dim}")
        network = GCRN(channels, num_groups, embedding_size, condition, mixing_alpha, skips, output, predicts)
        super().__init__(network, num_spk)


class DPCRNSeparator(CausalSeparator):
    """:class:`DPCRN` as a separator.

    Args:
        input_dim: number of bins of the encoder's spectrum.
        num_spk: number of speakers; must be 1.
        channels, kernel_bins, num_blocks, band_hidden_size, frame_hidden_size, filter_size, full_band_size,
            num_full_band_layers: see :class:`DPCRN`.

    Raises:
        ValueError: the number of speakers is wrong, or see :class:`DPCRN`.
    """

    def __init__(
        self,
        input_dim: int,
        num_spk: int = 1,
        channels: Sequence[int] = (16, 24, 32),
        kernel_bins: int = 5,
        num_blocks: int = 2,
        band_hidden_size: int = 32,
        frame_hidden_size: int = 64,
        filter_size: Sequence[int] = (3, 3),
        full_band_size: int = 0,
        num_full_band_layers: int = 2,
    ):
        network = DPCRN(
            input_dim,
            channels,
            kernel_bins,
            num_blocks,
            band_hidden_size,
            frame_hidden_size,
            filter_size,
            full_band_size,
            num_full_band_layers,
        )
        super().__init__(network, num_spk)


SEPARATORS: dict[str, Any] = {"gcrn": GCRNSeparator, "dpcrn": DPCRNSeparator}


def predicts_features(separator_conf: Mapping[str, Any], model_conf: Mapping[str, Any]) -> bool:
    """Return whether anything uses the features that the network of a configuration predicts."""
    return separator_conf.get("condition", "none") == "student" or model_conf.get("target", "none") != "none"


def _parts(spectrum: torch.Tensor) -> torch.Tensor:
    """Return ``(batch, 2, frame, bin)`` for the complex ``(batch, frame, bin)``."""
    return torch.stack([spectrum.real, spectrum.imag], dim=1)


def _complex(parts: torch.Tensor) -> torch.Tensor:
    return torch.complex(*parts.float().unbind(1))
