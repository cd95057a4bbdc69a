"""Active speech level: known levels of gated noise, and the recommendation's recursion written out."""

import itertools

import numpy as np
import pytest

from espnet_codecse.corpus.speech_level import active_level

RATE = 8000


def noise(seconds, rms=0.1, seed=0):
    return rms * np.random.default_rng(seed).standard_normal(int(seconds * RATE))


def decibel(power):
    return 10 * np.log10(power)


def gated(on, off, count):
    signal = noise((on + off) * count)
    period = int((on + off) * RATE)
    return signal * (np.arange(len(signal)) % period < on * RATE)


def test_level_of_uninterrupted_noise_is_its_power():
    signal = noise(10)
    power, activity = active_level(signal, RATE, band_limited=False)
    assert decibel(power) == pytest.approx(decibel(np.mean(signal**2)), abs=0.05) and activity > 0.99


def test_pauses_longer_than_the_hangover_do_not_count():
    power, activity = active_level(gated(2.0, 4.0, 5), RATE, band_limited=False)
    # Of 6 s, 2 s and the hangover (and the envelope's decay) are active; all the energy is in them.
    assert 2.2 / 6 < activity < 2.4 / 6
    assert -20 - decibel(2.4 / 2) < decibel(power) < -20 - decibel(2.2 / 2)
    assert decibel(np.mean(gated(2.0, 4.0, 5) ** 2)) == pytest.approx(-24.8, abs=0.1)  # what a plain meter tells


def test_pauses_shorter_than_the_hangover_count():
    power, activity = active_level(gated(0.15, 0.15, 40), RATE, band_limited=False)
    assert decibel(power) == pytest.approx(-23, abs=0.15) and activity > 0.98


def test_silence_around_speech_hardly_changes_its_level():
    signal = noise(5)
    alone = active_level(signal, RATE)[0]
    padded = active_level(np.concatenate([np.zeros(10 * RATE), signal, np.zeros(10 * RATE)]), RATE)[0]
    assert 0.1 < decibel(alone) - decibel(padded) < 0.4  # the hangover's 0.2 s and the decay, of 5 s


def test_faint_background_is_no_speech():
    signal = gated(2.0, 4.0, 5) + noise(30, 0.1 * 10 ** (-45 / 20), seed=1)
    assert active_level(signal, RATE)[1] < 2.4 / 6


def test_level_follows_the_scale_exactly():
    signal = gated(1.0, 1.0, 5)
    for gain in (1e-3, 0.5, 7.0):
        assert active_level(gain * signal, RATE)[0] == pytest.approx(gain**2 * active_level(signal, RATE)[0], rel=1e-9)


@pytest.mark.parametrize("rate", [8000, 16000])
def test_hum_is_filtered_out(rate):
    time = np.arange(4 * rate) / rate
    speech = 0.1 * np.sin(2 * np.pi * 1000 * time)
    hum = 0.1 * np.sin(2 * np.pi * 50 * time)
    plain, humming = active_level(speech, rate)[0], active_level(speech + hum, rate)[0]
    assert decibel(plain) == pytest.approx(-23.01, abs=0.3)
    assert decibel(humming) == pytest.approx(decibel(plain), abs=0.05)
    assert decibel(active_level(speech + hum, rate, band_limited=False)[0]) > decibel(plain) + 2.5


def recommendation(signal, rate):
    """Method B sample by sample, with the fixed thresholds of a 16-bit meter; dB."""
    decay, hangover = np.exp(-1 / (rate * 0.03)), int(np.ceil(0.2 * rate))
    thresholds = [2.0**-power for power in range(15, 0, -1)]
    active, hanging, first, second = [0] * 15, [hangover] * 15, 0.0, 0.0
    for value in np.abs(signal):
        first = decay * first + (1 - decay) * value
        second = decay * second + (1 - decay) * first
        for index, threshold in enumerate(thresholds):
            if second >= threshold:
                active[index] += 1
                hanging[index] = 0
            elif hanging[index] < hangover:
                active[index] += 1
                hanging[index] += 1
    energy = np.sum(signal**2)
    pairs = [(decibel(energy / count), 20 * np.log10(c)) for count, c in zip(active, thresholds) if count]
    for (low, low_c), (high, high_c) in itertools.pairwise(pairs):
        if low - low_c >= 15.9 > high - high_c:
            portion = (low - low_c - 15.9) / (low - low_c - high + high_c)
            return low + portion * (high - low)
    raise AssertionError


@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_the_recursion(seed):
    rng = np.random.default_rng(seed)
    bursts = np.repeat(rng.uniform(0, 1, 12) ** 2, 1200)
    signal = 0.3 * bursts * rng.standard_normal(len(bursts))
    level = decibel(active_level(signal, RATE, band_limited=False)[0])
    assert level == pytest.approx(recommendation(signal, RATE), abs=0.25)


def test_silence_is_refused():
    with pytest.raises(ValueError, match="silent"):
        active_level(np.zeros(8000), RATE)
