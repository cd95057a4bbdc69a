"""Enhancement of a stream of samples, which arrive in blocks of any size."""

from abc import ABC, abstractmethod
from typing import Any, Protocol

import numpy as np
import torch

from espnet_codecse.causal.abs_network import AbsCausalNetwork
from espnet_codecse.causal.framing import Analysis, STFTSettings, Synthesis
from espnet_codecse.inference.abs_enhancer import with_finite


class FrameModel(Protocol):
    """A model that enhances frames and keeps its state between calls."""

    def __call__(self, spectrum: np.ndarray) -> np.ndarray:
        """Return the enhanced frames for ``(2, frame, bin)``, which follow those of the last call."""

    def reset(self) -> None:
        """Start a new recording."""


class TorchFrames:
    """Run a network with PyTorch.

    Args:
        network: network in evaluation mode; several streams may share it.
        device: torch device of the network.
    """

    def __init__(self, network: AbsCausalNetwork, device: str = "cpu"):
        self._network, self._device = network, device
        self._state: Any = None

    @torch.inference_mode()
    def __call__(self, spectrum: np.ndarray) -> np.ndarray:
        """See :class:`FrameModel`."""
        enhanced, _, self._state = self._network(torch.from_numpy(spectrum)[None].to(self._device), None, self._state)
        return enhanced[0].float().cpu().numpy()

    def reset(self) -> None:
        """See :class:`FrameModel`."""
        self._state = None


class AbsStream(ABC):
    """A stream of samples through frames of a spectrum; see :class:`espnet_codecse.inference.abs_enhancer.Stream`.

    The output is aligned with the input: sample ``i`` of the output corresponds to sample ``i`` of the input, and is
    returned at most ``latency_samples`` later.

    Args:
        settings: how the spectra are computed.

    Attributes:
        hop: samples between frames.
        latency_samples: largest number of samples that must follow a sample before it is returned: the window.
        num_not_finite: number of samples so far that were NaN or infinite. They are replaced by silence, because they
            would stay in the state of the network until the end of the stream.
    """

    def __init__(self, settings: STFTSettings):
        self._settings, self.num_not_finite = settings, 0
        self.hop, self.latency_samples = settings.hop, settings.window_size
        self.reset()

    def reset(self) -> None:
        """Start a new recording."""
        self._num_in = self._num_out = 0

    @abstractmethod
    def _advance(self, samples: np.ndarray) -> np.ndarray:
        """Return the samples ``(sample,)`` that ``samples`` make final."""

    def process(self, samples: np.ndarray) -> np.ndarray:
        """Take the next samples and return those that are final, ``(sample,)`` float32; there may be none.

        Args:
            samples: ``(sample,)`` at the model's rate, of any length.
        """
        self._num_in += len(samples)
        samples, num_not_finite = with_finite(samples)
        self.num_not_finite += num_not_finite
        final = self._advance(samples)
        self._num_out += len(final)
        return final

    def flush(self) -> np.ndarray:
        """Return the remaining samples, so that the output is as long as the input, and start a new recording."""
        num_left = self._num_in - self._num_out
        num_zeros = self._settings.samples_to_flush(self._num_in)
        rest = self._advance(np.zeros(num_zeros, np.float32)) if num_left else np.zeros(0, np.float32)
        self.reset()
        return rest[:num_left]


class StreamingEnhancer(AbsStream):
    """Enhance one stream. Several instances can run in parallel; each has its own state.

    Args:
        frames: the network; see :class:`FrameModel`.
        settings: how the spectra that the network was trained on are computed.
    """

    def __init__(self, frames: FrameModel, settings: STFTSettings | None = None):
        settings = settings or STFTSettings()
        self._frames = frames
        self._analysis, self._synthesis = Analysis(settings), Synthesis(settings)
        super().__init__(settings)

    def reset(self) -> None:
        """Start a new recording."""
        super().reset()
        for part in (self._frames, self._analysis, self._synthesis):
            part.reset()

    def _advance(self, samples: np.ndarray) -> np.ndarray:
        spectrum = self._analysis(samples)
        if not spectrum.shape[1]:
            return np.zeros(0, np.float32)
        return self._synthesis(self._frames(spectrum))
