"""Random colours."""

import numpy as np
import pytest

from espnet_codecse.equalization import equalised, random_gains_db

RATE = 16000


def gain_db(seed: int, deviation_db: float, num_samples: int = 4 * RATE) -> np.ndarray:
    """Return the gains between 50 and 7900 Hz that white noise got, in 200 bands of equal width."""
    signal = np.random.default_rng(99).standard_normal(num_samples)
    result = equalised(signal, RATE, random_gains_db(np.random.default_rng(seed), RATE, deviation_db))
    assert result.dtype == np.float32 and result.shape == signal.shape
    powers = (np.abs(np.fft.rfft(sound))[200:31600].reshape(200, -1) ** 2 for sound in (result, signal))
    return 10 * np.log10(next(powers).sum(1) / next(powers).sum(1))


def test_gains_are_smooth_differ_by_seed_and_have_the_deviation_asked_for():
    gains = np.array([gain_db(seed, 5.0) for seed in range(60)])
    assert np.abs(np.diff(gains[:, 10:], axis=1)).max() < 4  # dB from band to band
    assert 3.5 < gains.std() < 6
    assert np.array_equal(gain_db(1, 5.0), gain_db(1, 5.0))


def test_no_deviation_changes_nothing_and_any_length_will_do():
    assert np.abs(gain_db(0, 0.0)).max() < 1e-3
    for num_samples in (1, 2, 3, 1001):
        signal = np.random.default_rng(1).standard_normal(num_samples).astype(np.float32)
        gains_db = random_gains_db(np.random.default_rng(0), RATE, 0.0)
        assert equalised(signal, RATE, gains_db) == pytest.approx(signal, abs=1e-5)
