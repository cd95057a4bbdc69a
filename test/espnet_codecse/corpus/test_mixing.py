"""Mixtures have the SNR, level and length that were asked for, and never clip."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from espnet_codecse.corpus.mixing import MAX_PEAK, add_noise, add_speaker, fit_length, level_db, rms, set_level


@given(st.floats(-20, 40), st.floats(-45, 0), st.integers(1, 3000), st.integers(1, 3000), st.integers(0, 99))
def test_snr_level_and_sum(snr, level, num_speech, num_noise, seed):
    rng = np.random.default_rng(seed)
    speech, noise = rng.standard_normal(num_speech) + 0.1, rng.standard_normal(num_noise) + 0.1
    mixture, scaled = add_noise(speech, noise, snr, rng)
    assert len(mixture) == len(scaled) == num_speech
    assert 20 * np.log10(rms(speech) / rms(scaled)) == pytest.approx(snr, abs=1e-6)
    if rms(mixture) < 1e-9:
        return
    total, (reference, rest) = set_level(mixture, [speech, scaled], level)
    assert max(np.abs(total).max(), np.abs(reference).max(), np.abs(rest).max()) <= MAX_PEAK + 1e-9
    assert level_db(total) <= level + 1e-6
    np.testing.assert_allclose(total, reference + rest, atol=1e-9)
    assert 20 * np.log10(rms(reference) / rms(rest)) == pytest.approx(snr, abs=1e-6)


@given(st.integers(1, 500), st.integers(1, 500), st.integers(0, 9))
def test_fit_length_repeats_or_cuts(num_samples, wanted, seed):
    signal = np.arange(1, num_samples + 1, dtype=float)
    fitted = fit_length(signal, wanted, np.random.default_rng(seed))
    assert len(fitted) == wanted
    steps = (np.diff(fitted) - 1) % num_samples
    assert not steps.any()  # consecutive samples, from the last on to the first


def test_silence_between_events_is_avoided():
    signal = np.zeros(100000)
    signal[40000:60000] = 1.0
    found = [rms(fit_length(signal, 20000, np.random.default_rng(seed))) for seed in range(50)]
    assert np.mean(np.array(found) > 0) > 0.95


@pytest.mark.parametrize("num_second", [300, 1000, 5000])
def test_second_speaker_has_ratio_and_length(num_second):
    rng = np.random.default_rng(0)
    first, second = rng.standard_normal(1000), rng.standard_normal(num_second)
    placed = add_speaker(first, second, 2.5, rng)
    assert len(placed) == 1000
    assert 20 * np.log10(rms(first) / rms(placed)) == pytest.approx(2.5)


def test_silence_is_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="speech is silent"):
        add_noise(np.zeros(10), np.ones(10), 0, rng)
    with pytest.raises(ValueError, match="noise is silent"):
        add_noise(np.ones(10), np.zeros(10), 0, rng)
    with pytest.raises(ValueError, match="mixture is silent"):
        set_level(np.zeros(10), [], -20)
    with pytest.raises(ValueError, match="empty"):
        fit_length(np.zeros(0), 5, rng)
