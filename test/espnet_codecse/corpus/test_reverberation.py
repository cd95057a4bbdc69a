"""Simulated rooms: the reference is aligned with the direct path, the reverberation time is in range."""

import numpy as np
import pytest

from espnet_codecse.corpus.reverberation import random_room_response, reverberate, with_unit_direct_path
from espnet_codecse.errors import UserError

RATE = 16000


def test_same_seed_same_room():
    first = random_room_response(np.random.default_rng(3), RATE)
    second = random_room_response(np.random.default_rng(3), RATE)
    assert first[1] == second[1]
    np.testing.assert_array_equal(first[0], second[0])


@pytest.mark.parametrize("seed", range(4))
def test_direct_path_is_aligned(seed):
    response, direct = random_room_response(np.random.default_rng(seed), RATE)
    assert response[direct] == pytest.approx(1.0)
    impulse = np.zeros(4000)
    impulse[100] = 1.0
    wet, dry = reverberate(impulse, response, direct, RATE)
    assert len(wet) == len(dry) == 4000
    assert dry is impulse
    # Nothing but the ripple of the band-limited pulse comes before the direct path.
    assert np.abs(wet[:60]).max() < 0.05
    assert wet[100] == pytest.approx(1.0, abs=1e-4)


def test_early_target_lies_between_dry_and_wet(voice):
    speech = voice(RATE).astype(float)
    response, direct = random_room_response(np.random.default_rng(0), RATE, rt60_range=(0.5, 0.6))
    wet, early = reverberate(speech, response, direct, RATE, "early")

    def error(signal):
        return np.sum((wet - signal) ** 2)

    assert error(early) < error(speech)
    np.testing.assert_allclose(early[: RATE // 100], wet[: RATE // 100], atol=1e-3)
    with pytest.raises(ValueError, match="none of dry, early"):
        reverberate(speech, response, direct, RATE, "late")


def test_longer_rt60_rings_longer():
    def tail(rt60):
        response, direct = random_room_response(np.random.default_rng(5), RATE, (rt60, rt60))
        return np.sum(response[direct + RATE // 10 :] ** 2) / np.sum(response**2)

    assert tail(0.6) > 10 * tail(0.2)


def test_recorded_response_is_scaled_to_its_direct_path_and_silence_is_named():
    response, direct = with_unit_direct_path(np.array([0.0, -0.5, 0.25]), "room.wav")
    assert direct == 1
    np.testing.assert_allclose(response, [0.0, 1.0, -0.5])
    for silent in (np.zeros(10), np.zeros(0)):
        with pytest.raises(UserError, match="room.wav: the room response is silent"):
            with_unit_direct_path(silent, "room.wav")
