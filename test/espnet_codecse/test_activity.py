"""Pauses are found relative to the loudest stretch of a recording."""

import numpy as np
import pytest

from espnet_codecse.activity import find_pauses, frame_powers, frame_size

RATE = 16000


def pauses(samples):
    return list(find_pauses(frame_powers(samples, RATE)))


def test_powers_of_frames():
    samples = np.concatenate([np.full(320, 0.5), np.full(320, -0.1), np.full(100, 0.2)])
    assert frame_size(RATE) == 320 and frame_size(10) == 1
    assert frame_powers(samples, RATE) == pytest.approx([0.25, 0.01, 0.04])
    assert len(frame_powers(samples[:0], RATE)) == 0 and pauses(samples[:0]) == []


@pytest.mark.parametrize("gain", [1e-3, 1.0])
@pytest.mark.parametrize("floor_db", [-np.inf, -80, -40])
def test_pauses_are_relative_to_speech(gain, floor_db):
    rng = np.random.default_rng(0)
    speech, floor = rng.standard_normal(RATE), 10 ** (floor_db / 20) * rng.standard_normal(RATE)
    track = gain * np.concatenate([floor, speech, floor[:3200], speech, floor])
    assert pauses(track) == [(0, 50), (100, 110), (160, 210)]
    # Noise at 15 dB SNR, gaps between sounds and a recording that is all silent or all noise have none or only one.
    assert pauses(gain * np.concatenate([speech, 0.1 * speech, speech])) == []
    assert pauses(gain * np.concatenate([speech, floor[:2800], speech])) == []
    assert pauses(gain * speech) == [] and pauses(0 * speech) == [(0, 50)]


def test_a_click_is_not_the_level():
    rng = np.random.default_rng(0)
    samples = 0.01 * rng.standard_normal(RATE)
    samples[5000] = 1.0
    assert pauses(samples) == []
