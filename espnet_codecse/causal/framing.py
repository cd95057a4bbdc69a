"""The short-time spectrum of causal networks, frame by frame; the result is that of ESPnet's STFT.

A recording is assumed to follow silence, and the first frame contains only silence.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

SAMPLE_RATE = 16000  # of causal networks, Hz


@dataclass(frozen=True)
class STFTSettings:
    """Framing and compression, as in ``encoder_conf`` of ESPnet's ``stft``.

    The default is the framing of 2403.01369: 25 ms at 16 kHz every 20 ms, the hop of wav2vec2, without compression.

    Attributes:
        window_size: samples of a frame under a periodic Hann window.
        hop: samples between frames.
        fft_size: samples of the Fourier transform; a frame is in the middle of them.
        exponent: exponent of the magnitude; 1: no compression.
        factor: scale factor of the compressed spectrum.

    Raises:
        ValueError: the hop is not below the window, or the window is longer than the Fourier transform.
    """

    window_size: int = 400
    hop: int = 320
    fft_size: int = 512
    exponent: float = 1.0
    factor: float = 1.0

    def __post_init__(self):
        if not 0 < self.hop < self.window_size <= self.fft_size:
            raise ValueError(
                f"hop {self.hop}, window {self.window_size} and Fourier transform {self.fft_size} (samples): each must "
                "be smaller than the next, or equal for the last two"
            )

    @classmethod
    def from_configuration(cls, encoder_conf: Mapping[str, Any]) -> "STFTSettings":
        """Return the settings that ``encoder_conf`` describes; what it leaves out has ESPnet's default.

        Raises:
            ValueError: the package does not implement them.
        """
        fft_size = encoder_conf.get("n_fft", 512)
        framing = encoder_conf.get("win_length") or fft_size, encoder_conf.get("hop_length", 128), fft_size
        kind = encoder_conf.get("spec_transform_type") or "none"
        if encoder_conf.get("window", "hann") != "hann" or not encoder_conf.get("center", True):
            raise ValueError("encoder_conf: only centred frames under a Hann window run frame by frame")
        if kind == "none":
            return cls(*framing)
        if kind != "exponent":
            raise ValueError(f"spec_transform_type '{kind}': only none and exponent run frame by frame")
        return cls(*framing, encoder_conf.get("spec_abs_exponent", 0.5), encoder_conf.get("spec_factor", 0.15))

    @property
    def num_bins(self) -> int:
        """Number of bins of a spectrum."""
        return self.fft_size // 2 + 1

    @property
    def num_lead_frames(self) -> int:
        """Number of frames before the one that is centred at a recording's first sample."""
        return -(-(self.window_size // 2) // self.hop)

    @property
    def lead(self) -> int:
        """Samples of silence before a recording; the first frame is centred at their start."""
        return self.num_lead_frames * self.hop

    def overlap_weight(self) -> np.ndarray:
        """Return the total weight of the samples of a hop, ``(hop,)``: of their own window and of those before."""
        power, weight = hann_window(self.window_size) ** 2, np.zeros(self.hop, np.float32)
        for start in range(0, self.window_size, self.hop):
            part = power[start : start + self.hop]
            weight[: len(part)] += part
        return weight

    def samples_to_flush(self, num_samples: int) -> int:
        """Return the number of samples of silence after which all ``num_samples`` of a recording are final."""
        # The first frame after which no sample of the recording changes.
        last = -(-(self.lead + num_samples - (self.hop - self.window_size // 2)) // self.hop)
        return last * self.hop + self.window_size // 2 - self.lead - num_samples

    def compress(self, spectrum: np.ndarray) -> np.ndarray:
        """Return the network's input for a complex spectrum."""
        if self.exponent == 1:
            return spectrum * self.factor
        return spectrum * np.maximum(np.abs(spectrum), 1e-12) ** (self.exponent - 1) * self.factor

    def expand(self, spectrum: np.ndarray) -> np.ndarray:
        """Return the complex spectrum for a compressed one; the inverse of :meth:`compress`."""
        spectrum = spectrum / self.factor
        if self.exponent == 1:
            return spectrum
        return spectrum * np.maximum(np.abs(spectrum), 1e-12) ** (1 / self.exponent - 1)


def hann_window(size: int) -> np.ndarray:
    """Return the periodic Hann window, ``(size,)``."""
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)).astype(np.float32)


class Analysis:
    """Compute the spectra of frames as soon as their samples are complete."""

    def __init__(self, settings: STFTSettings):
        self._settings, self._window = settings, hann_window(settings.window_size)
        self.reset()

    def reset(self) -> None:
        """Begin a recording."""
        self._pending = np.zeros(self._settings.window_size // 2 + self._settings.lead, np.float32)

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """Return ``(2, frame, bin)``, real and imaginary part, of the frames that ``samples (sample,)`` complete."""
        size, hop, fft_size = self._settings.window_size, self._settings.hop, self._settings.fft_size
        signal = np.concatenate([self._pending, samples])
        num_frames = max(0, (len(signal) - size) // hop + 1)
        self._pending = signal[num_frames * hop :]
        frames = np.lib.stride_tricks.as_strided(
            signal, (num_frames, size), (hop * signal.itemsize, signal.itemsize), writeable=False
        )
        padded = np.zeros((num_frames, fft_size), np.float32)
        margin = (fft_size - size) // 2
        padded[:, margin : margin + size] = frames * self._window
        spectrum = self._settings.compress(np.fft.rfft(padded))
        return np.stack([spectrum.real, spectrum.imag]).astype(np.float32)


class Synthesis:
    """Compute the samples of spectra as soon as no later frame changes them."""

    def __init__(self, settings: STFTSettings):
        self._settings, self._window = settings, hann_window(settings.window_size)
        self._weight = settings.overlap_weight()
        self.reset()

    def reset(self) -> None:
        """Begin a recording."""
        self._tail = np.zeros(self._settings.window_size - self._settings.hop, np.float32)
        # The first frame starts half a window before the lead.
        self._skip = self._settings.window_size // 2 + self._settings.lead

    def __call__(self, spectrum: np.ndarray) -> np.ndarray:
        """Return samples ``(sample,)`` for spectra ``(2, frame, bin)``, aligned with the input of the analysis."""
        size, hop, fft_size = self._settings.window_size, self._settings.hop, self._settings.fft_size
        num_frames, margin = spectrum.shape[1], (fft_size - size) // 2
        frames = np.fft.irfft(self._settings.expand(spectrum[0] + 1j * spectrum[1]), fft_size)
        frames = frames[:, margin : margin + size].astype(np.float32) * self._window
        signal = np.zeros(num_frames * hop + size - hop, np.float32)
        signal[: len(self._tail)] = self._tail
        for index, frame in enumerate(frames):
            signal[index * hop : index * hop + size] += frame
        final, self._tail = signal[: num_frames * hop], signal[num_frames * hop :]
        final = (final.reshape(num_frames, hop) / self._weight).reshape(-1)
        skipped = min(self._skip, len(final))
        self._skip -= skipped
        return final[skipped:]
