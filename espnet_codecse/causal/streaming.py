"""Enhancing a stream: samples in, samples out, in pieces of any size."""

from typing import Protocol

import numpy as np
import torch

from espnet_codecse.causal.framing import WINDOW_SIZE, Analysis, Compression, Synthesis, samples_to_flush
from espnet_codecse.causal.gcrn import GCRN, GCRNState


class FrameModel(Protocol):
    """What enhances frames and remembers those before."""

    def __call__(self, spectrum: np.ndarray) -> np.ndarray:
        """Return the enhanced frames for ``(2, frame, bin)`` that follow those of the last call."""

    def reset(self) -> None:
        """Begin a recording."""


class TorchFrames:
    """A network's frames by PyTorch.

    Args:
        network: in evaluation mode; several streams may share it.
        device: where it is.
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
    """Enhances one stream; several work side by side, each with a state of its own.

    What comes out is in time with what went in: sample ``i`` of the output belongs to sample ``i`` of the input, and
    comes at most ``latency_samples`` after it.

    Args:
        frames: the network; see :class:`FrameModel`.
        compression: compression of the spectra that it was trained on; default: none.

    Attributes:
        latency_samples: samples that must follow one before it comes out, at most: 400, or 25 ms at 16 kHz.
        num_not_finite: samples so far that were NaN or infinite; they are replaced by silence, because in the state of
            the network they would last to the end of the stream.
    """

    latency_samples = WINDOW_SIZE

    def __init__(self, frames: FrameModel, compression: Compression | None = None):
        self._frames, self.num_not_finite = frames, 0
        compression = compression or Compression()
        self._analysis, self._synthesis = Analysis(compression), Synthesis(compression)
        self.reset()

    def reset(self) -> None:
        """Begin another recording."""
        for part in (self._frames, self._analysis, self._synthesis):
            part.reset()
        self._num_in = self._num_out = 0

    def process(self, samples: np.ndarray) -> np.ndarray:
        """Take the next samples and return those that are final, ``(sample,)`` float32; often none.

        Args:
            samples: ``(sample,)`` at 16 kHz, as many as there are.
        """
        self._num_in += len(samples)
        samples = np.ascontiguousarray(samples, np.float32)
        finite = np.isfinite(samples)
        if not finite.all():
            self.num_not_finite += int((~finite).sum())
            samples = np.where(finite, samples, np.float32(0))
        return self._advance(samples)

    def flush(self) -> np.ndarray:
        """Return what is left: all that came out is then as long as what went in. The next call begins anew."""
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
