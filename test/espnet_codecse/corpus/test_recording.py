"""Recordings of a corpus: what has no samples, NaN or infinity is refused by name."""

import numpy as np
import pytest
import soundfile

from espnet_codecse.corpus.recording import read_recording, read_recording_channel, recording_info
from espnet_codecse.errors import UserError

RATE = 16000


def write(path, value=0.1, place=-1, subtype="FLOAT"):
    samples = np.full((RATE, 2), 0.1)
    samples[place, 1] = value
    soundfile.write(path, samples, RATE, subtype)
    return path


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
def test_values_that_are_not_finite_are_refused(tmp_path, value, subtype):
    path = write(tmp_path / "a.wav", value, subtype=subtype)
    for read in (recording_info, read_recording, lambda path: read_recording_channel(path, 8000)):
        with pytest.raises(UserError, match=rf"^{path}: NaN or infinite samples$"):
            read(path)
    assert read_recording(path, 0, RATE - 1)[0].shape == (RATE - 1, 2)  # the stretch is finite


def test_good_recordings_are_read(tmp_path):
    path = write(tmp_path / "a.wav")
    assert recording_info(path) == (RATE, RATE, 2)
    assert read_recording_channel(path, 8000).shape == (8000,)
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), RATE)
    with pytest.raises(UserError, match="empty, no samples"):
        recording_info(tmp_path / "empty.wav")


def test_integers_are_not_decoded_for_their_length(tmp_path, monkeypatch):
    path = write(tmp_path / "a.flac", subtype="PCM_16")
    monkeypatch.setattr("espnet_codecse.container.audio_file.AudioFile.read", None)
    assert recording_info(path) == (RATE, RATE, 2)
