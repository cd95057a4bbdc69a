"""The short-time spectrum of the causal network, frame by frame; the result is that of ESPnet's STFT.

The window has 400 samples (25 ms at 16 kHz), the hop 320 samples (20 ms, the hop of wav2vec2), and the Fourier
transform 512 samples. A recording is assumed to follow silence, and the first frame contains only silence.
"""

from dataclasses import dataclass

import numpy as np

WINDOW_SIZE, HOP, FFT_SIZE = 400, 320, 512  # samples
MARGIN = (FFT_SIZE - WINDOW_SIZE) // 2
LEAD = HOP  # samples of silence before a recording


@dataclass(frozen=True)
class Compression:
    """Compression of the network's input spectra, as in ``encoder_conf`` of ESPnet's ``stft``.

    Attributes:
        exponent: exponent of the magnitude; 1: no compression.
        factor: scale factor of the result.
    """

    exponent: float = 1.0
    factor: float = 1.0

    @classmethod
    def from_configuration(cls, encoder_conf: dict) -> "Compression":
        """Return the compression that ``encoder_conf`` describes.

        Raises:
            ValueError: the package does not implement it.
        """
        kind = encoder_conf.get("spec_transform_type") or "none"
        if kind == "none":
            return cls()
        if kind != "exponent":
            raise ValueError(f"spec_transform_type '{kind}': only none and exponent run frame by frame")
        return cls(encoder_conf.get("spec_abs_exponent", 0.5), encoder_conf.get("spec_factor", 0.15))

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


def hann_window() -> np.ndarray:
    """Return the periodic Hann window, ``(WINDOW_SIZE,)``."""
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW_SIZE) / WINDOW_SIZE)).astype(np.float32)


class Analysis:
    """Compute the spectra of frames as soon as their samples are complete."""

    def __init__(self, compression: Compression):
        self._compression, self._window = compression, hann_window()
        self.reset()

    def reset(self) -> None:
        """Begin a recording."""
        # The first frame is centred at the start of the lead, so that half a window of silence precedes the lead.
        self._pending = np.zeros(WINDOW_SIZE // 2 + LEAD, np.float32)

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """Return ``(2, frame, bin)``, real and imaginary part, of the frames that ``samples (sample,)`` complete."""
        signal = np.concatenate([self._pending, samples])
        num_frames = max(0, (len(signal) - WINDOW_SIZE) // HOP + 1)
        self._pending = signal[num_frames * HOP :]
        frames = np.lib.stride_tricks.as_strided(
            signal, (num_frames, WINDOW_SIZE), (HOP * signal.itemsize, signal.itemsize), writeable=False
        )
        padded = np.zeros((num_frames, FFT_SIZE), np.float32)
        padded[:, MARGIN : MARGIN + WINDOW_SIZE] = frames * self._window
        spectrum = self._compression.compress(np.fft.rfft(padded))
        return np.stack([spectrum.real, spectrum.imag]).astype(np.float32)


class Synthesis:
    """Compute the samples of spectra as soon as no later frame changes them."""

    def __init__(self, compression: Compression):
        self._compression, self._window = compression, hann_window()
        overlap = WINDOW_SIZE - HOP
        power = self._window**2
        # Total weight of the samples of a hop: their own window, and at the start of the hop, the previous one.
        self._weight = power[:HOP].copy()
        self._weight[:overlap] += power[HOP:]
        self.reset()

    def reset(self) -> None:
        """Begin a recording."""
        self._tail = np.zeros(WINDOW_SIZE - HOP, np.float32)
        # The first frame starts half a window before the lead.
        self._skip = WINDOW_SIZE // 2 + LEAD

    def __call__(self, spectrum: np.ndarray) -> np.ndarray:
        """Return samples ``(sample,)`` for spectra ``(2, frame, bin)``, aligned with the input of the analysis."""
        num_frames = spectrum.shape[1]
        frames = np.fft.irfft(self._compression.expand(spectrum[0] + 1j * spectrum[1]), FFT_SIZE)
        frames = frames[:, MARGIN : MARGIN + WINDOW_SIZE].astype(np.float32) * self._window
        signal = np.zeros(num_frames * HOP + WINDOW_SIZE - HOP, np.float32)
        signal[: len(self._tail)] = self._tail
        for index, frame in enumerate(frames):
            signal[index * HOP : index * HOP + WINDOW_SIZE] += frame
        final, self._tail = signal[: num_frames * HOP], signal[num_frames * HOP :]
        final = (final.reshape(num_frames, HOP) / self._weight).reshape(-1)
        skipped = min(self._skip, len(final))
        self._skip -= skipped
        return final[skipped:]


def samples_to_flush(num_samples: int) -> int:
    """Return the number of samples of silence after which all ``num_samples`` of a recording are final."""
    return _last_frame(num_samples) * HOP + WINDOW_SIZE // 2 - LEAD - num_samples


def _last_frame(num_samples: int) -> int:
    """Return the index of the first frame after which no sample of the recording changes."""
    return -(-(LEAD + num_samples - (HOP - WINDOW_SIZE // 2)) // HOP)
