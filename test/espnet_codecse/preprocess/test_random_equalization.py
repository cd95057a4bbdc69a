"""The colour of training segments."""

import numpy as np
import pytest

from espnet_codecse.preprocess.random_filters import RandomEqualization

RATE = 16000


def data():
    """Return an utterance as ESPnet's preprocessors get it: a reference, noise and their sum."""
    rng = np.random.default_rng(0)
    speech, noise = rng.standard_normal((2, RATE)).astype(np.float32)
    return {"speech_mix": speech + noise, "speech_ref1": speech, "noise_ref1": noise, "category": np.array([1])}


def test_all_waveforms_get_one_filter_and_every_utterance_its_own():
    np.random.seed(0)
    colour = RandomEqualization(True, 6.0, RATE)
    result = colour("a", data())
    assert result["speech_mix"] == pytest.approx(result["speech_ref1"] + result["noise_ref1"], abs=1e-5)
    assert result["speech_mix"].dtype == np.float32 and result["category"] == [1]
    assert not np.allclose(result["speech_mix"], data()["speech_mix"], atol=0.1)
    assert not np.allclose(result["speech_mix"], colour("a", data())["speech_mix"], atol=0.1)


def test_only_in_training_after_another_preprocessor_and_not_on_embeddings():
    embedding = np.ones((5, 4), np.float32)

    def before(uid, utterance):
        return {**utterance, "speech_ref1": embedding}

    assert RandomEqualization(True, 6.0, RATE, before)("a", data())["speech_ref1"] is embedding
    untouched = RandomEqualization(False, 6.0, RATE, before)("a", data())
    assert np.array_equal(untouched["speech_mix"], data()["speech_mix"])
