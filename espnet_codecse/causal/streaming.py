"""Enhancement of a stream of samples, which arrive in blocks of any size."""

from typing import Protocol

import numpy as np
import torch

from espnet_codecse.causal.framing import WINDOW_SIZE, Analysis, Compression, Synthesis, samples_to_flush
from espnet_codecse.causal.gcrn import GCRN, GCRNState


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

    def __init__(self, network: GCRN, device: str = "cpu"):
        self._network, self._device = network, device
        self._state: GCRNState | None = None

    @torch.inference_mode()
    def __call__(self, spectrum: np.ndarray) -> np.ndarray:
        """See :class:`FrameModel`."""
        enhanced, _, self._state = self._network(torch.from_numpy(spectrum)[None].to(self._device), None, self._state)
        return enhanced[0].float().cpu().numpy()

    def reset(self) -> None:
        """See :class:`FrameModel`."""
        self._state = None


class StreamingEnhancer:
    """Enhance one stream. Several instances can run in parallel; each has its own state.

    The output is aligned with the input: sample ``i`` of the output corresponds to sample ``i`` of the input, and is
    returned at most ``latency_samples`` later.

    Args:
        frames: the network; see :class:`FrameModel`.
        compression: compression of the spectra that the network was trained on; default: none.

    Attributes:
        latency_samples: largest number of samples that must follow a sample before it is returned: 400, which is 25 ms
            at 16 kHz.
        num_not_finite: number of samples so far that were NaN or infinite. They are replaced by silence, because they
            would stay in the state of the network until the end of the stream.
    """

    latency_samples = WINDOW_SIZE

    def __init__(self, frames: FrameModel, compression: Compression | None = None):
        self._frames, self.num_not_finite = frames, 0
        compression = compression or Compression()
        self._analysis, self._synthesis = Analysis(compression), Synthesis(compression)
        self.reset()

    def reset(self) -> None:
        """Start a new recording."""
        for part in (self._frames, self._analysis, self._synthesis):
            part.reset()
        self._num_in = self._num_out = 0

    def process(self, samples: np.ndarray) -> np.ndarray:
        """Take the next samples and return those that are final, ``(sample,)`` float32; there may be none.

        Args:
            samples: ``(sample,)`` at 16 kHz, of any length.
        """
        self._num_in += len(samples)
        samples = np.ascontiguousarray(samples, np.float32)
        finite = np.isfinite(samples)
        if not finite.all():
            self.num_not_finite += int((~finite).sum())
            samples = np.where(finite, samples, np.float32(0))
        return self._advance(samples)

    def flush(self) -> np.ndarray:
        """Return the remaining samples, so that the output is as long as the input, and start a new recording."""
        num_left = self._num_in - self._num_out
        num_zeros = samples_to_flush(self._num_in)
        rest = self._advance(np.zeros(num_zeros, np.float32)) if num_left else np.zeros(0, np.float32)
        self.reset()
        return rest[:num_left]

    def _advance(self, samples: np.ndarray) -> np.ndarray:
        spectrum = self._analysis(samples)
        if not spectrum.shape[1]:
            return np.zeros(0, np.float32)
        final = self._synthesis(self._frames(spectrum))
        self._num_out += len(final)
        return final
