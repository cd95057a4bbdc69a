"""Random colouring of sounds, as other rooms, microphones and distances give them."""

import numpy as np

LOWEST_HZ = 62.5  # of the octaves that have a gain of their own; below it the gain stays


def randomly_equalised(
    rng: np.random.Generator, signal: np.ndarray, rate: int, deviation_db: float
) -> np.ndarray:
    """Return ``signal (num_samples,)`` behind a filter with a smooth random gain, without delay.

    Args:
        rng: draws a gain an octave from 62.5 Hz up; between octaves gains in dB lie on straight lines.
        signal: of any type; the result is float32.
        rate: Hz.
        deviation_db: standard deviation of the gains.
    """
    spectrum = np.fft.rfft(signal)
    octaves = np.log2(np.fft.rfftfreq(len(signal), 1.0 / rate).clip(LOWEST_HZ) / LOWEST_HZ)
    gains_db = rng.normal(0.0, deviation_db, int(np.ceil(octaves[-1])) + 1)
    gain = 10.0 ** (np.interp(octaves, np.arange(len(gains_db)), gains_db) / 20.0)
    return np.fft.irfft(spectrum * gain, len(signal)).astype(np.float32)
