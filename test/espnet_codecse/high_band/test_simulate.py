"""Mixtures for the training of the upper band: levels of the simulated band, SNR, and those without noise or speech."""

import numpy as np
import pytest
from voices import voice

from espnet_codecse.audio import resample
from espnet_codecse.high_band.bands import Bands, decibel
from espnet_codecse.high_band.simulate import CLEAN_SHARE, NARROW_RATE, NOISE_SHARE, RATE, SNR_DB, Extension, Mixtures


@pytest.fixture(scope="module")
def speech():
    """Return voices at 48 kHz with a hiss that rises and falls with them."""
    rng = np.random.default_rng(0)
    wide = [resample(voice(2 * NARROW_RATE, seed=seed), NARROW_RATE, RATE) for seed in range(4)]
    return [signal + 0.3 * np.abs(signal) * rng.standard_normal(len(signal)) for signal in wide]


def high_levels(signal):
    bands = Bands(RATE)
    return decibel(bands.high_powers(bands.spectra(signal[:, None].astype(np.float64)))[0])


def test_the_band_that_is_added_is_like_that_of_full_band_speech(speech):
    narrow = resample(speech[0], RATE, NARROW_RATE)
    extended = Extension(speech)(narrow, np.random.default_rng(0))
    through = resample(narrow, NARROW_RATE, RATE)
    assert len(extended) == len(through)
    found, expected = high_levels(extended), high_levels(speech[0])
    assert np.abs(found.mean(0) - expected.mean(0)).max() < 3
    assert np.corrcoef(found.mean(1), expected.mean(1))[0, 1] > 0.7  # rises and falls with the voice
    below = np.abs(np.fft.rfft(extended - through))[: int(7000 * len(through) / RATE)]
    assert below.max() < 1e-2 * np.abs(np.fft.rfft(through)).max()


def test_an_utterance_shorter_than_a_frame_stays_as_it_is(speech):
    short = np.ones(100, np.float32)
    extended = Extension(speech)(short, np.random.default_rng(0))
    assert np.abs(extended).max() < 2 and np.array_equal(extended, resample(short, NARROW_RATE, RATE))


def test_mixtures(speech):
    rng = np.random.default_rng(0)
    mixtures = Mixtures(speech, [voice(NARROW_RATE)], [0.1 * rng.standard_normal(RATE)], Extension(speech), seconds=1.0)
    drawn = [mixtures.draw(rng) for _ in range(200)]
    assert all(len(mixture) == len(clean) == RATE for mixture, clean in drawn)
    without_speech = [not clean.any() for _, clean in drawn]
    without_noise = [np.array_equal(mixture, clean) for mixture, clean in drawn]
    assert 0 < sum(without_speech) < 3 * 200 * NOISE_SHARE and 0 < sum(without_noise) < 3 * 200 * CLEAN_SHARE
    for (mixture, clean), silent, pure in zip(drawn, without_speech, without_noise):
        if not silent and not pure:
            snr = 10 * np.log10(np.square(clean).mean() / np.square(mixture - clean).mean())
            assert SNR_DB[0] - 0.1 < snr < SNR_DB[1] + 0.1
