"""Noises and rooms that join what was recorded."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from espnet_codecse.audio import read_audio
from espnet_codecse.corpus.augmentation import altered_noises, extra_noises, room_responses
from espnet_codecse.corpus.noise import SPEED, altered, drifting, training_noise_kinds
from espnet_codecse.corpus.sources import SourceRecording

RATE = 16000


def speakers(folder: Path, voice):
    """Write two speakers of two utterances each, one at another rate."""
    recordings = []
    for speaker in range(2):
        for utterance, rate in enumerate((RATE, 8000)):
            path = folder / f"s{speaker}u{utterance}.wav"
            samples = voice(rate, 10 * speaker + utterance, rate)
            soundfile.write(path, samples, rate)
            recordings.append(SourceRecording(path.stem, f"s{speaker}", str(path), len(samples), rate))
    return recordings


@pytest.mark.slow
def test_noises_of_all_kinds_and_the_same_again(tmp_path, voice):
    speech = speakers(tmp_path, voice)
    kinds = training_noise_kinds()
    noises = extra_noises(tmp_path / "a", speech, kinds, len(kinds) + 1, RATE, 3, 1)
    assert [item.group for item in noises] == [*kinds, kinds[0]]
    assert len({item.name for item in noises}) == len(noises)
    for item in noises:
        samples, rate = read_audio(item.path)
        assert rate == RATE and len(samples) == item.num_samples == 8 * RATE
        assert 0.01 < samples.std() < 0.5
    again = extra_noises(tmp_path / "b", speech, kinds, len(kinds) + 1, RATE, 3, 1)
    other = extra_noises(tmp_path / "b", speech, kinds, len(kinds) + 1, RATE, 4, 1)
    for item, same, different in zip(noises, again, other):
        assert Path(item.path).read_bytes() == Path(same.path).read_bytes()
        assert not np.array_equal(read_audio(item.path)[0], read_audio(different.path)[0])


def test_second_call_writes_nothing(tmp_path, voice, capsys):
    speech = speakers(tmp_path, voice)
    first = extra_noises(tmp_path / "a", speech, ["pink", "babble"], 3, RATE, 0, 1)
    times = [Path(item.path).stat().st_mtime_ns for item in first]
    assert extra_noises(tmp_path / "a", speech, ["pink", "babble"], 3, RATE, 0, 1) == first
    assert [Path(item.path).stat().st_mtime_ns for item in first] == times
    assert "done by an earlier run" in capsys.readouterr().err


def noises(folder: Path):
    """Write a low tone, a high one, and one of another rate and two channels."""
    recordings = []
    for kind, rate, frequency in (("low", RATE, 200), ("high", RATE, 3000), ("stereo", 8000, 1000)):
        tone = 0.1 * np.sin(2 * np.pi * frequency * np.arange(3 * rate) / rate)
        path = folder / f"{kind}.wav"
        soundfile.write(path, np.stack([tone, tone], 1) if kind == "stereo" else tone, rate)
        recordings.append(SourceRecording(kind, kind, str(path), len(tone), rate))
    return recordings


def test_altered_noises_come_alone_and_in_pairs_and_the_same_again(tmp_path):
    made = altered_noises(tmp_path / "a", noises(tmp_path), 0.5, 6, RATE, 3, 1)
    assert [item.group.count("+") for item in made] == [0, 1] * 3
    assert len({item.name for item in made}) == 6
    for item in made:
        samples, rate = read_audio(item.path)
        assert rate == RATE and len(samples) == item.num_samples == 8 * RATE
        assert 0.01 < samples.std() < 0.5
    again = altered_noises(tmp_path / "b", noises(tmp_path), 0.5, 6, RATE, 3, 1)
    other = altered_noises(tmp_path / "b", noises(tmp_path), 0.5, 6, RATE, 4, 1)
    for item, same, different in zip(made, again, other):
        assert Path(item.path).read_bytes() == Path(same.path).read_bytes()
        assert not np.array_equal(read_audio(item.path)[0], read_audio(different.path)[0])


def test_an_altered_tone_is_a_tone_of_another_speed_within_the_range():
    tone = np.sin(2 * np.pi * 1000 * np.arange(4 * RATE) / RATE).astype(np.float32)
    frequencies = []
    for seed in range(20):
        spectrum = np.abs(np.fft.rfft(altered(np.random.default_rng(seed), 2 * RATE, RATE, [tone])))
        frequencies.append(spectrum.argmax() / 2)  # bins of half a hertz
    assert 1000 / SPEED - 1 < min(frequencies) < 850 and 1150 < max(frequencies) < 1000 * SPEED + 1


def test_a_drifting_noise_changes_its_colour_over_time_and_an_altered_one_does_not():
    noise = np.random.default_rng(0).standard_normal(8 * RATE).astype(np.float32)

    def change_db(function):
        """Largest change of a band's share of a second, dB."""
        changes = []
        for seed in range(5):
            seconds = function(np.random.default_rng(seed), 8 * RATE, RATE, [noise]).reshape(8, RATE)
            bands = np.square(np.abs(np.fft.rfft(seconds)))[:, :8000].reshape(8, 8, 1000).mean(2)
            share_db = 10 * np.log10(bands / bands.sum(1, keepdims=True))
            changes.append(np.ptp(share_db, axis=0).max())
        return np.median(changes)

    assert change_db(altered) < 2 < 4 < change_db(drifting)


@pytest.mark.slow
def test_rooms_ring_longer_with_a_longer_reverberation_time(tmp_path):
    def energy_after(seconds, item):
        response = read_audio(item.path)[0][:, 0]
        start = int(np.abs(response).argmax())
        return np.square(response[start + int(seconds * RATE) :]).sum() / np.square(response).sum()

    short = room_responses(tmp_path, 4, RATE, (0.15, 0.16), 0, 1)
    long = room_responses(tmp_path, 4, RATE, (0.6, 0.61), 0, 1)
    assert len({item.path for item in short + long}) == 8
    assert np.mean([energy_after(0.1, item) for item in long]) > 2 * np.mean([energy_after(0.1, i) for i in short])
