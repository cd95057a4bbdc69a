"""The short-time spectrum of the causal network, frame by frame: what ESPnet's STFT encoder and decoder give at once.

Windows of 400 samples (25 ms at 16 kHz) every 320 (20 ms, the frame of wav2vec2), in a Fourier transform of 512. A
recording is taken to follow silence: the first frame is all of it.
"""

from dataclasses import dataclass

import numpy as np

WINDOW_SIZE, HOP, FFT_SIZE = 400, 320, 512  # samples
MARGIN = (FFT_SIZE - WINDOW_SIZE) // 2
LEAD = HOP  # samples of silence before a recording


@dataclass(frozen=True)
class Compression:
    """How spectra are bent before the network, as ``encoder_conf`` of ESPnet's ``stft`` has it.

    Attributes:
        exponent: exponent of the magnitude; 1 leaves it.
        factor: by which the result is scaled.
    """

    exponent: float = 1.0
    factor: float = 1.0

    @classmethod
    def from_configuration(cls, encoder_conf: dict) -> "Compression":
        """Return that of ``encoder_conf``.

        Raises:
            ValueError: it is one that this package has not.
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
        """Return the complex spectrum for what :meth:`compress` gave."""
        spectrum = spectrum / self.factor
        if self.exponent == 1:
            return spectrum
        return spectrum * np.maximum(np.abs(spectrum), 1e-12) ** (1 / self.exponent - 1)


def hann_window() -> np.ndarray:
    """Return the periodic Hann window, ``(WINDOW_SIZE,)``."""
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW_SIZE) / WINDOW_SIZE)).astype(np.float32)


class Analysis:
    """Samples in, spectra of the frames that they complete out."""

    def __init__(self, compression: Compression):
        self._compression, self._window = compression, hann_window()
        self.reset()

    def reset(self) -> None:
        """Begin a recording."""
        # Half a window of silence on either side of the first frame's middle, and what of the lead follows.
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
    """Spectra in, the samples that no later frame changes out."""

    def __init__(self, compression: Compression):
        self._compression, self._window = compression, hann_window()
        overlap = WINDOW_SIZE - HOP
        power = self._window**2
        # What a hop's samples were weighed with: by their own window, and at the begin by the one before.
        self._weight = power[:HOP].copy()
        self._weight[:overlap] += power[HOP:]
        self.reset()

    def reset(self) -> None:
        """Begin a recording."""
        self._tail = np.zeros(WINDOW_SIZE - HOP, np.float32)
        # The first frame begins half a window before the lead.
        self._skip = WINDOW_SIZE // 2 + LEAD

    def __call__(self, spectrum: np.ndarray) -> np.ndarray:
        """Return ``(sample,)``, in time with the input, for ``(2, frame, bin)``."""
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
    """Return how many samples of silence must follow ``num_samples`` for all of them to be final."""
    return _last_frame(num_samples) * HOP + WINDOW_SIZE // 2 - LEAD - num_samples


def _last_frame(num_samples: int) -> int:
    """Return the index of the first frame after which nothing of the recording changes."""
    return -(-(LEAD + num_samples - (HOP - WINDOW_SIZE // 2)) // HOP)
