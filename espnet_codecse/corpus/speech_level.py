"""Active speech level as in Recommendation ITU-T P.56, method B: the level of speech without its longer pauses."""

import numpy as np

TIME_CONSTANT = 0.03  # of each of the two smoothing stages of the envelope, seconds
HANGOVER = 0.2  # pauses up to this long are part of the speech, seconds
MARGIN_DB = 15.9  # between the active level and the threshold that tells activity
NUM_THRESHOLDS = 15  # powers of two below the largest envelope, as in the 16-bit meter
# The meter's input filter keeps hum and what no telephone band carries out of the measurement: 5th-order Chebyshev II,
# 50 dB down at 80 Hz (and the mirror image of that above), 0.25 dB down at the band's limits.
BAND = (200.0, 5500.0)  # Hz
STOP_RATIO = 0.398  # of the stop band's edge to the limit of the band
STOP_DB = 50.0


def active_level(speech: np.ndarray, rate: int, band_limited: bool = True) -> tuple[float, float]:
    """Measure ``speech (num_samples,)``.

    Args:
        speech: at full scale 1.
        rate: Hz.
        band_limited: measure behind the input filter of 200 to 5500 Hz.

    Returns:
        ``(mean power of the active part, activity factor in 0 to 1)``; the level in dB is ``10 log10`` of the power.

    Raises:
        ValueError: the signal is silent.
    """
    from scipy.signal import lfilter

    signal = np.asarray(speech, dtype=np.float64)
    if band_limited and len(signal):
        signal = _band_limit(signal, rate)
    energy = float(np.sum(signal**2))
    if energy < 1e-12:
        raise ValueError("speech is silent")
    decay = float(np.exp(-1.0 / (rate * TIME_CONSTANT)))
    envelope = np.abs(signal)
    for _ in range(2):
        envelope = lfilter([1.0 - decay], [1.0, -decay], envelope)
    # Thresholds relative to the maximum: the level of a scaled signal is then exactly the scaled level.
    thresholds = envelope.max() * 2.0 ** -np.arange(NUM_THRESHOLDS, 0, -1)
    counts = np.array([_active_samples(envelope >= threshold, rate) for threshold in thresholds])
    levels = 10.0 * np.log10(energy / counts)
    margins = levels - 20.0 * np.log10(thresholds)  # falls from the lowest threshold to the highest
    above = int(np.count_nonzero(margins >= MARGIN_DB))
    if above == 0:
        level = levels[0]
    elif above == len(levels):
        level = levels[-1]
    else:
        portion = (margins[above - 1] - MARGIN_DB) / (margins[above - 1] - margins[above])
        level = levels[above - 1] + portion * (levels[above] - levels[above - 1])
    power = float(10.0 ** (level / 10.0))
    return power, min(energy / power / len(signal), 1.0)


def _active_samples(loud: np.ndarray, rate: int) -> int:
    """Number of samples that are loud or at most the hangover after a loud one."""
    hangover = int(np.ceil(HANGOVER * rate))
    places = np.flatnonzero(loud)
    gaps = np.diff(places, append=len(loud))
    return int(np.minimum(gaps, hangover + 1).sum())


def _band_limit(signal: np.ndarray, rate: int) -> np.ndarray:
    from scipy.signal import cheby2, sosfilt

    low, high = BAND
    edge = STOP_RATIO * low
    signal = sosfilt(cheby2(5, STOP_DB, edge, "highpass", output="sos", fs=rate), signal)
    if 2.5 * high < rate:  # narrow-band recordings have nothing above the band
        edge = rate / np.pi * np.arctan(np.tan(np.pi * high / rate) / STOP_RATIO)  # of the bilinear transform
        signal = sosfilt(cheby2(5, STOP_DB, edge, "lowpass", output="sos", fs=rate), signal)
    return signal
