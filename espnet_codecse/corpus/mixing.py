"""Scaling and adding signals: signal-to-noise ratio, level, noise of any length.

Levels are those of plain energy over the whole signal (root mean square), not of an active-speech meter as in ITU-T
P.56: the recordings that are mixed are utterances with little silence, and a plain sum of squares is what the
SI-SDR of the mixture measures, so that the SNR asked for is the SI-SDR row of the noisy mixture.
"""

from collections.abc import Sequence

import numpy as np

# Peak that no written signal exceeds, so that 16-bit files are not clipped.
MAX_PEAK = 0.99
# A stretch of noise below this level relative to its recording is silence between events.
SILENCE_DB = -40.0


def rms(signal: np.ndarray) -> float:
    """Root mean square of ``signal (num_samples,)``."""
    return float(np.sqrt(np.mean(np.square(signal, dtype=np.float64)))) if len(signal) else 0.0


def level_db(signal: np.ndarray) -> float:
    """Level of ``signal (num_samples,)`` in dB relative to full scale; -inf for silence."""
    value = rms(signal)
    return 20.0 * float(np.log10(value)) if value > 0 else -np.inf


def noise_gain(speech: np.ndarray, noise: np.ndarray, snr_db: float) -> float:
    """Factor for ``noise`` that makes the energy ratio of ``speech`` to it ``snr_db``.

    Raises:
        ValueError: one of the signals is silent.
    """
    speech_rms, noise_rms = rms(speech), rms(noise)
    if speech_rms == 0 or noise_rms == 0:
        raise ValueError(f"{'speech' if speech_rms == 0 else 'noise'} is silent")
    return speech_rms / noise_rms * 10.0 ** (-snr_db / 20.0)


def fit_length(signal: np.ndarray, num_samples: int, rng: np.random.Generator, num_tries: int = 10) -> np.ndarray:
    """Cut or repeat ``signal`` to ``num_samples`` samples from a random position on.

    A shorter signal is repeated end to start. Of a longer one a stretch that is not silent is taken.

    Raises:
        ValueError: ``signal`` is empty.
    """
    if len(signal) == 0:
        raise ValueError("signal is empty")
    if len(signal) <= num_samples:
        return np.resize(np.roll(signal, -int(rng.integers(len(signal)))), num_samples)
    floor = rms(signal) * 10.0 ** (SILENCE_DB / 20.0)
    best = signal[:0]
    for _ in range(num_tries):
        start = int(rng.integers(len(signal) - num_samples + 1))
        candidate = signal[start : start + num_samples]
        if rms(candidate) >= floor:
            return candidate
        best = candidate if rms(candidate) >= rms(best) else best
    return best


def set_level(
    mixture: np.ndarray, parts: Sequence[np.ndarray], target_db: float
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Scale ``mixture`` and its ``parts``, all ``(num_samples,)``, by one factor.

    The mixture gets the level ``target_db`` (dBFS, root mean square), or less where a peak of any of the signals would
    exceed ``MAX_PEAK``. One factor keeps mixture = sum of parts, and so the SNR.

    Raises:
        ValueError: the mixture is silent.
    """
    value = rms(mixture)
    if value == 0:
        raise ValueError("mixture is silent")
    peak = max(float(np.abs(signal).max()) for signal in [mixture, *parts])
    gain = min(10.0 ** (target_db / 20.0) / value, MAX_PEAK / peak)
    return gain * mixture, [gain * part for part in parts]


def add_noise(
    speech: np.ndarray, noise: np.ndarray, snr_db: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return ``(mixture, noise as it is in the mixture)``, both of the length of ``speech``.

    Raises:
        ValueError: the speech or the noise is silent.
    """
    fitted = fit_length(noise, len(speech), rng)
    scaled = fitted * noise_gain(speech, fitted, snr_db)
    return speech + scaled, scaled


def add_speaker(first: np.ndarray, second: np.ndarray, ratio_db: float, rng: np.random.Generator) -> np.ndarray:
    """Return ``second`` placed and scaled to be mixed with ``first``: ``(len(first),)``.

    A longer ``second`` is cut at a random position, a shorter one is set at a random position in silence; ``ratio_db``
    is the energy of ``first`` over that of the result.

    Raises:
        ValueError: one of the signals is silent.
    """
    if len(second) >= len(first):
        placed = fit_length(second, len(first), rng)
    else:
        placed = np.zeros_like(first)
        start = int(rng.integers(len(first) - len(second) + 1))
        placed[start : start + len(second)] = second
    return placed * noise_gain(first, placed, ratio_db)
