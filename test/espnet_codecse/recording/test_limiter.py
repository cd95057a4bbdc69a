"""Peaks beyond full scale in formats with a limit."""

import numpy as np
import pytest

from espnet_codecse.recording.limiter import REACH_SECONDS, Limiter

RATE = 16000
CEILING = 1 - 2.0**-15


def signal(num_samples, num_channels=2):
    """Noise at -20 dBFS with some peaks up to twice full scale."""
    rng = np.random.default_rng(0)
    samples = 0.1 * rng.standard_normal((num_samples, num_channels))
    for peak in rng.choice(num_samples, num_samples // 4000, replace=False):
        samples[peak, rng.integers(num_channels)] = rng.choice([-1, 1]) * rng.uniform(1.05, 2)
    return samples


def limited(samples, block, beside=None):
    limiter = Limiter(RATE, CEILING)
    pieces = []
    for start in range(0, samples.shape[1], block):
        part = None if beside is None else beside[start : start + block]
        pieces.append(limiter.push(samples[:, start : start + block], part, start + block >= samples.shape[1]))
    assert limiter.push(samples[:, :0], None if beside is None else beside[:0], True)[0].shape[1] == 0
    outputs = np.concatenate([piece for piece, _ in pieces], axis=1)
    return outputs, None if beside is None else np.concatenate([piece for _, piece in pieces]), limiter.num_limited


@pytest.mark.parametrize("block", [1, 50, 333, 20000])
def test_no_sample_is_cut_off_and_nothing_else_changes(block):
    samples = signal(20000)[None]
    outputs, beside, count = limited(samples, block, samples[0])
    assert outputs.shape == samples.shape and np.array_equal(beside, samples[0])
    peaks = np.abs(samples[0]).max(1) > 1
    assert count == peaks.sum() > 0 and np.abs(outputs).max() <= CEILING * (1 + 1e-12)
    reach = 2 * round(REACH_SECONDS * RATE)
    near = np.convolve(peaks, np.ones(2 * reach + 1), "same") > 0.5
    np.testing.assert_allclose(outputs[0][~near], samples[0][~near], rtol=1e-12)
    assert 0.05 < near.mean() < 0.5
    whole = limited(samples, 20000)[0]
    np.testing.assert_allclose(outputs, whole, rtol=1e-9)


def test_channels_keep_their_balance_and_outputs_are_apart():
    loud, soft = signal(8000), 0.1 * np.random.default_rng(1).standard_normal((8000, 2))
    outputs, _, _ = limited(np.stack([loud, soft]), 500)
    assert np.array_equal(outputs[1], soft)
    np.testing.assert_allclose(outputs[0, :, 0] * loud[:, 1], outputs[0, :, 1] * loud[:, 0], atol=1e-12)


def test_gain_has_no_steps():
    samples = np.full((1, 4000, 1), 0.5)
    samples[0, 2000] = 2.0
    gain = limited(samples, 700)[0] / samples
    assert np.abs(np.diff(gain[0, :, 0])).max() < 1.5 * 0.5 / (2 * REACH_SECONDS * RATE)


def test_below_full_scale_it_does_nothing():
    samples = np.clip(signal(5000), -1, 1)[None]
    outputs, _, count = limited(samples, 640)
    assert np.array_equal(outputs, samples) and count == 0
