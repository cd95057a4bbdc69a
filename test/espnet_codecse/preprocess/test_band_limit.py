"""The low-pass of training segments."""

import numpy as np

from espnet_codecse.preprocess.random_filters import BandLimit

RATE = 16000


def energy_above(samples: np.ndarray, frequency: float) -> float:
    """Return the portion of the energy above ``frequency`` Hz."""
    power = np.abs(np.fft.rfft(samples)) ** 2
    return float(power[np.fft.rfftfreq(len(samples), 1 / RATE) > frequency].sum() / power.sum())


def data():
    """Return an utterance as ESPnet's preprocessors get it."""
    rng = np.random.default_rng(0)
    mixture, reference = rng.standard_normal((2, RATE)).astype(np.float32)
    return {"speech_mix": mixture, "speech_ref1": reference, "category": np.array([1])}


def test_mixture_and_reference_lose_the_same_band():
    np.random.seed(0)
    result = BandLimit(True, 1.0, RATE, (3000.0, 3001.0))("a", data())
    for name in ("speech_mix", "speech_ref1"):
        assert result[name].dtype == np.float32 and result[name].shape == (RATE,)
        assert energy_above(result[name], 4000) < 1e-3 < energy_above(result[name], 2500)
    assert result["category"] == [1]


def test_only_in_training_and_only_sometimes():
    for filtered in (BandLimit(False, 1.0, RATE), BandLimit(True, 0.0, RATE)):
        assert np.array_equal(filtered("a", data())["speech_mix"], data()["speech_mix"])
    np.random.seed(0)
    changed = [energy_above(BandLimit(True, 0.5, RATE)("a", data())["speech_mix"], 7500) < 0.01 for _ in range(40)]
    assert 10 < sum(changed) < 30


def test_after_another_preprocessor_and_not_on_embeddings():
    embedding = np.ones((5, 4), np.float32)

    def before(uid, utterance):
        return {**utterance, "speech_ref1": embedding}

    result = BandLimit(True, 1.0, RATE, before=before)("a", data())
    assert result["speech_ref1"] is embedding
