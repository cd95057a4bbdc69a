"""Random colouring of sounds, as other rooms, microphones and distances give them."""

import numpy as np

LOWEST_HZ = 62.5  # of the octaves that have a gain of their own; below it the gain stays


def random_gains_db(rng: np.random.Generator, rate: int, deviation_db: float) -> np.ndarray:
    """Draw gains ``(octave,)`` for :func:`equalised`, one an octave from 62.5 Hz up.

    Args:
        rng: the source of chance.
        rate: sample rate of the signals, Hz.
        deviation_db: standard deviation of the gains.
    """
    return rng.normal(0.0, deviation_db, int(np.ceil(np.log2(rate / 2 / LOWEST_HZ))) + 1)


def equalised(signal: np.ndarray, rate: int, gains_db: np.ndarray) -> np.ndarray:
    """Return ``signal (num_samples,)`` as float32 behind a filter without delay.

    Args:
        signal: signal of any type.
        rate: Hz.
        gains_db: at 62.5 Hz and every octave above; between them gains in dB lie on straight lines.
    """
    spectrum = np.fft.rfft(signal)
    octaves = np.log2(np.fft.rfftfreq(len(signal), 1.0 / rate).clip(LOWEST_HZ) / LOWEST_HZ)
    gain = 10.0 ** (np.interp(octaves, np.arange(len(gains_db)), gains_db) / 20.0)
    return np.fft.irfft(spectrum * gain, len(signal)).astype(np.float32)
