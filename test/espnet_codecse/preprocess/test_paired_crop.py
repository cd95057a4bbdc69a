"""Training segments: frames and samples stay together."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from espnet_codecse.preprocess.paired_crop import PairedCrop

HOP = 20


def _utterance(num_samples: int):
    """Waveforms that count samples and embeddings that count frames."""
    num_frames = -(-num_samples // HOP)
    return {
        "speech_mix": np.tile(np.arange(num_frames)[:, None], (1, 3)).astype(np.float32),
        "speech_ref1": np.arange(num_samples, dtype=np.float32),
        "noise_ref1": np.arange(num_samples, dtype=np.float32),
        "text": np.array([1, 2]),
    }


@pytest.mark.slow
@given(st.integers(HOP, 40 * HOP), st.integers(1, 12))
def test_sequences_are_cut_at_the_same_place(num_samples, num_frames):
    data = _utterance(num_samples)
    cut = PairedCrop(True, num_frames, HOP)("id", data)
    assert np.array_equal(cut["text"], data["text"])
    if num_samples // HOP <= num_frames:
        assert cut is data
        return
    assert cut["speech_mix"].shape == (num_frames, 3)
    assert len(cut["speech_ref1"]) == num_frames * HOP
    assert cut["speech_ref1"][0] == cut["speech_mix"][0, 0] * HOP
    assert np.array_equal(cut["speech_ref1"], cut["noise_ref1"])


def test_validation_is_whole_and_places_vary():
    data = _utterance(40 * HOP)
    assert PairedCrop(False, 5, HOP)("id", data) is data
    crop = PairedCrop(True, 5, HOP)
    starts = {int(crop("id", data)["speech_mix"][0, 0]) for _ in range(200)}
    assert min(starts) == 0 and max(starts) == 35 and len(starts) > 25


def test_runs_another_preprocessor_first():
    def double(uid, data):
        return {name: 2 * value for name, value in data.items()}

    for train in (True, False):
        output = PairedCrop(train, 5, HOP, double)("id", {"speech_mix": np.ones(20 * HOP)})
        assert output["speech_mix"].max() == pytest.approx(2)
