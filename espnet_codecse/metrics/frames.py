"""Windowed frames, shared by the metrics on short-time spectra."""

import numpy as np

FLOOR = 1e-10  # floor of power, 100 dB below full scale


def power_spectra(speech: np.ndarray, size: int, step: int) -> np.ndarray:
    """Return ``(frame, bin)`` of ``speech (sample,)``; see :func:`windowed_frames`."""
    return np.square(np.abs(np.fft.rfft(windowed_frames(speech, size, step))))


def log_spectral_distance(first: np.ndarray, second: np.ndarray) -> float:
    """Return the RMS difference in dB over bins of two power spectra ``(frame, bin)``, mean over frames."""
    levels = [10 * np.log10(power + FLOOR) for power in (first, second)]
    return float(np.sqrt(np.square(levels[0] - levels[1]).mean(1)).mean())


def windowed_frames(speech: np.ndarray, size: int, step: int) -> np.ndarray:
    """Return ``(frame, size)`` of ``speech (sample,)`` in double precision, with a Hann window without zero ends.

    Only whole frames are returned; none if the speech is shorter than one frame.
    """
    if len(speech) < size:
        return np.zeros((0, size))
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(1, size + 1) / (size + 1))
    return np.lib.stride_tricks.sliding_window_view(speech.astype(np.float64), size)[::step] * window
