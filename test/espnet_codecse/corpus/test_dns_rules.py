"""The challenge's rules for one clip: filling, activity, SNR in the active windows, level, no clipping."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from espnet_codecse.corpus.dns_rules import active_rms, activity, fill, mix
from espnet_codecse.corpus.mixing import MAX_PEAK, level_db, rms
from espnet_codecse.corpus.sources import SourceRecording
from espnet_codecse.errors import UserError

RATE = 16000


def recording(name, num_samples, rate=RATE):
    return SourceRecording(name, "x", f"{name}.wav", num_samples, rate)


def constant(value):
    return lambda item, start, count: np.full(count, value)


def test_recordings_follow_each_other_with_silence_between():
    items = [recording("a", 1000), recording("b", 1000), recording("c", 1000)]
    read = {"a": 0.1, "b": 0.2, "c": 0.3}
    filled = fill(items, 2500, RATE, 200, lambda item, start, n: np.full(n, read[item.name]), np.random.default_rng(0))
    signal = filled.signal
    assert (signal[:1000] == 0.1).all() and not signal[1000:1200].any()
    assert (signal[1200:2200] == 0.2).all() and not signal[2200:2400].any() and (signal[2400:] == 0.3).all()
    assert filled.num_seen == 3 and filled.skipped == []


def test_a_stretch_at_random_of_what_is_too_long():
    starts = set()
    for seed in range(20):
        fill(
            [recording("a", 48000, 48000)],
            8000,
            RATE,
            0,
            lambda item, start, n: starts.add((start, n)) or np.full(n // 3, 0.1),
            np.random.default_rng(seed),
        )
    assert len(starts) > 10 and all(0 <= start <= 24000 and count == 24000 for start, count in starts)


def test_clipped_silent_and_unreadable_recordings_are_passed_over():
    def read(item, start, count):
        if item.name == "bad":
            raise UserError("bad.wav: not readable as audio; convert it")
        return np.full(count, {"loud": 1.0, "silent": 0.0, "nan": np.nan, "good": 0.5}[item.name])

    items = [recording(name, 500) for name in ("loud", "bad", "silent", "nan", "good", "good")]
    filled = fill(items, 800, RATE, 0, read, np.random.default_rng(0))
    assert [reason.split(";")[0] for _, reason in filled.skipped] == [
        "clipped",
        "not readable as audio",
        "silent in the stretch drawn",
        "NaN or infinite samples",
    ]
    assert (filled.signal == 0.5).all() and filled.num_seen == 6
    with pytest.raises(ValueError, match="4 recordings do not fill the clip, 4 are not usable .loud.wav: clipped"):
        fill(items[:4], 800, RATE, 0, read, np.random.default_rng(0))


@pytest.mark.parametrize("rate", [8000, 16000, 48000])
@pytest.mark.parametrize("level", [0.001, 0.5])
def test_activity_is_the_portion_with_speech_at_any_level_and_rate(rate, level):
    sound = np.random.default_rng(0).standard_normal(10 * rate)
    assert activity(level * sound, rate) == 1.0
    sound[2 * rate :] *= 1e-4
    assert activity(level * sound, rate) == pytest.approx(0.2, abs=0.02)
    assert activity(np.zeros(rate), rate) == 0.0


def test_levels_are_those_of_the_windows_with_noise():
    rng = np.random.default_rng(0)
    noise = 0.2 * rng.standard_normal(2 * RATE)
    noise[RATE:] *= 1e-3
    speech = 0.1 * rng.standard_normal(2 * RATE)
    speech[RATE:] *= 4
    speech_rms, noise_rms = active_rms(speech, noise, RATE)
    assert speech_rms == pytest.approx(0.1, rel=0.02) and noise_rms == pytest.approx(0.2, rel=0.02)


@settings(max_examples=40, deadline=None)
@given(
    snr=st.integers(-10, 40),
    level=st.integers(-50, 0),
    seed=st.integers(0, 99),
    gain=st.floats(1e-3, 1.0),
    num_samples=st.integers(2000, 20000),
)
def test_snr_level_and_peak(snr, level, seed, gain, num_samples):
    rng = np.random.default_rng(seed)
    speech, noise = 0.1 * rng.standard_normal(num_samples), gain * rng.uniform(-1, 1, num_samples)
    mixture, reference, scaled = mix(speech, speech, noise, snr, level, RATE)
    assert np.allclose(mixture, reference + scaled)
    first, second = active_rms(reference, scaled, RATE)
    assert 20 * np.log10(first / second) == pytest.approx(snr, abs=0.01)
    assert max(np.abs(signal).max() for signal in (mixture, reference, scaled)) <= MAX_PEAK + 1e-9
    assert level_db(mixture) <= level + 1e-6
    if np.abs(mixture).max() < 0.98 and np.abs(reference).max() < 0.98 and np.abs(scaled).max() < 0.98:
        assert level_db(mixture) == pytest.approx(level, abs=1e-6)


def test_silence_has_no_snr():
    sound = np.random.default_rng(0).standard_normal(4000)
    for speech, noise, what in ((0 * sound, sound, "speech"), (sound, 0 * sound, "noise")):
        with pytest.raises(ValueError, match=f"{what} is silent"):
            mix(speech, speech, noise, 0.0, -25.0, RATE)
    click = np.zeros(4000)
    click[0] = 1e-9
    assert rms(mix(sound, sound, click, 0.0, -25.0, RATE)[2]) > 0
