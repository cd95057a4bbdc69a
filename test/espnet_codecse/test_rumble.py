"""What lies below the band of speech is removed, and nothing else."""

import numpy as np
import pytest

from espnet_codecse.rumble import has_rumble, remove_rumble


def tone(frequency, rate, seconds=2.0):
    return np.sin(2 * np.pi * frequency / rate * np.arange(int(seconds * rate))).astype(np.float32)


@pytest.mark.parametrize("rate", [8000, 16000, 48000])
def test_offset_and_rumble(rate):
    speech = 0.1 * tone(100, rate)
    for rumble in (0.2, 0.1 * tone(10, rate), 0.2 - 0.1 * tone(5, rate)):
        assert has_rumble(speech + rumble, rate)
        cleaned = remove_rumble((speech + rumble).astype(np.float32), rate)
        assert cleaned.dtype == np.float32 and cleaned.shape == speech.shape
        inner = slice(rate // 4, -rate // 4)
        error = np.square(cleaned[inner] - speech[inner]).mean() / np.square(speech[inner]).mean()
        assert 10 * np.log10(error) < -40


def test_recordings_without_rumble_are_not_touched():
    rng = np.random.default_rng(0)
    for samples in (0.1 * tone(60, 16000), rng.standard_normal(16000).astype(np.float32), np.zeros(100, np.float32)):
        assert remove_rumble(samples, 16000) is samples


@pytest.mark.parametrize("num_samples", [1, 2, 799, 801])
def test_short_recordings(num_samples):
    samples = np.full(num_samples, 0.3, np.float32)
    cleaned = remove_rumble(samples, 16000)
    assert cleaned.shape == samples.shape and np.isfinite(cleaned).all()
    assert num_samples < 800 or np.abs(cleaned).max() < 1e-3


def test_digital_silence_stays_silent():
    samples = np.concatenate([0.3 + 0.1 * tone(200, 16000), np.zeros(32000, np.float32)])
    cleaned = remove_rumble(samples, 16000)
    assert np.abs(cleaned[4000:28000]).max() < 0.11 and not cleaned[32000:].any()
