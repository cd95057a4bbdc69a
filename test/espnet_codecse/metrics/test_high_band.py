"""Measures of the band above 8 kHz on signals whose values are known."""

import numpy as np
import pytest

from espnet_codecse.metrics.abs_metric import Signals
from espnet_codecse.metrics.high_band import SAMPLE_RATE, HighBand


def scores(clean, estimate, noisy):
    family = HighBand()
    family.load()
    return family.compute(Signals(estimate, SAMPLE_RATE, clean, noisy))


@pytest.fixture
def signals():
    """Return clean speech with a pause, and noise, both of noise."""
    rng = np.random.default_rng(0)
    clean, noise = 0.1 * rng.standard_normal((2, 3 * SAMPLE_RATE))
    clean[SAMPLE_RATE : 2 * SAMPLE_RATE] *= 1e-3
    return clean, 0.1 * noise


def test_the_clean_speech_has_no_distance_and_the_mixture_no_reduction(signals):
    clean, noise = signals
    assert scores(clean, clean, clean + noise)["LSD_HIGH"] == 0
    assert scores(clean, clean + noise, clean + noise)["NR_HIGH"] == 0


def test_the_reduction_is_that_of_the_noise_in_pauses(signals):
    clean, noise = signals
    found = scores(clean, clean + 0.1 * noise, clean + noise)
    assert found["NR_HIGH"] == pytest.approx(20, abs=0.1)
    assert scores(clean, 0.5 * clean, clean + noise)["LSD_HIGH"] == pytest.approx(20 * np.log10(2), abs=0.1)


def test_what_is_below_8_khz_does_not_count(signals):
    clean, noise = signals
    tone = np.sin(2 * np.pi * 3000 * np.arange(len(clean)) / SAMPLE_RATE)
    assert scores(clean, clean + 0.01 * tone, clean + noise)["LSD_HIGH"] < 0.1


def test_without_pauses_or_frames_a_measure_is_undefined(signals):
    clean, noise = signals
    assert np.isnan(scores(clean[:SAMPLE_RATE], clean[:SAMPLE_RATE], noise[:SAMPLE_RATE])["NR_HIGH"])
    assert np.isnan(list(scores(clean[:100], clean[:100], noise[:100]).values())).all()
