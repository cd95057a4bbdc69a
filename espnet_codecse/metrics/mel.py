"""Mel power spectrogram in decibels, equal to librosa's but without the 10 s of importing librosa."""

import numpy as np


def _hz_to_mel(frequency: np.ndarray) -> np.ndarray:
    """Convert Hz to mel on Slaney's scale: linear below 1 kHz, logarithmic above."""
    linear = frequency * 3.0 / 200.0
    logarithmic = 15.0 + 27.0 * np.log(np.maximum(frequency, 1e-10) / 1000.0) / np.log(6.4)
    return np.where(frequency >= 1000.0, logarithmic, linear)


def _mel_to_hz(mel: np.ndarray) -> np.ndarray:
    return np.where(mel >= 15.0, 1000.0 * np.exp(np.log(6.4) / 27.0 * (mel - 15.0)), mel * 200.0 / 3.0)


def mel_filterbank(sample_rate: int, fft_size: int, num_mels: int) -> np.ndarray:
    """Return triangular filters ``(num_mels, fft_size // 2 + 1)`` of equal area from 0 Hz to ``sample_rate / 2``."""
    bins = np.fft.rfftfreq(fft_size, 1.0 / sample_rate)
    edges = _mel_to_hz(np.linspace(0.0, _hz_to_mel(np.array(sample_rate / 2.0)), num_mels + 2))
    widths = np.diff(edges)
    slopes = edges[:, None] - bins[None, :]
    rising, falling = -slopes[:-2] / widths[:-1, None], slopes[2:] / widths[1:, None]
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    return (triangles * (2.0 / (edges[2:] - edges[:-2]))[:, None]).astype(np.float32)


def mel_power_db(speech: np.ndarray, filterbank: np.ndarray, fft_size: int, hop: int) -> np.ndarray:
    """Return ``(frames, num_mels)`` in dB relative to the largest value, floored at -80 dB.

    Args:
        speech: ``(num_samples,)``; frames are centred, with zeros beyond both ends.
        filterbank: from ``mel_filterbank``.
        fft_size: window (periodic Hann) and transform length in samples.
        hop: step between frames in samples.
    """
    window = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(fft_size) / fft_size)
    padded = np.pad(speech, fft_size // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, fft_size)[::hop]
    power = np.abs(np.fft.rfft(frames * window, axis=1).astype(np.complex64)) ** 2
    mel = np.maximum(1e-10, power @ filterbank.T)
    level_db = 10.0 * np.log10(mel) - 10.0 * np.log10(mel.max())
    return np.maximum(level_db, -80.0)
