"""Whole recordings at the levels of the rule."""

import numpy as np
import pytest

from espnet_codecse.level import LevelRule
from espnet_codecse.preprocess.peak_level import PeakLevel
from espnet_codecse.preprocess.speed_perturbation import SpeedPerturbation


def two_speakers() -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    references = [gain * random.standard_normal(4000).astype(np.float32) for gain in (0.1, 0.02)]
    return {"speech_mix": references[0] + references[1], "speech_ref1": references[0], "speech_ref2": references[1]}


def peaks(data) -> list[float]:
    return [float(np.abs(value).max()) for value in data.values()]


@pytest.mark.parametrize("train", [True, False])
def test_every_signal_at_its_own_peak(train):
    data = two_speakers()
    levelled = PeakLevel(train, LevelRule(1.0, 1.0))("a", data)
    assert peaks(levelled) == pytest.approx([1.0, 1.0, 1.0])
    for name, value in levelled.items():
        assert value.dtype == np.float32
        assert np.allclose(value * np.abs(data[name]).max(), data[name], atol=1e-6)


def test_references_at_their_level_in_the_mixture():
    data = two_speakers()
    levelled = PeakLevel(True, LevelRule(0.9))("a", data)
    assert peaks(levelled)[0] == pytest.approx(0.9)
    assert np.allclose(levelled["speech_ref1"] + levelled["speech_ref2"], levelled["speech_mix"], atol=1e-6)


@pytest.mark.parametrize("levels", [LevelRule(0.9), LevelRule(1.0, 1.0)])
def test_a_mixture_of_perturbed_speakers_has_the_peak_of_inference(levels):
    perturb = SpeedPerturbation(True, [95, 105])
    bare = [peaks(perturb("a", two_speakers()))[0] for _ in range(4)]
    assert max(bare) < 0.8  # without the rule, it has any peak
    for _ in range(4):
        levelled = PeakLevel(True, levels, perturb)("a", two_speakers())
        assert peaks(levelled)[0] == pytest.approx(levels.peak)
        if levels.reference_peak is None:
            total = levelled["speech_ref1"] + levelled["speech_ref2"]
            assert np.allclose(total, levelled["speech_mix"], atol=1e-5)
        else:
            assert peaks(levelled)[1:] == pytest.approx([1.0, 1.0])


def test_stored_embeddings_and_silence_stay():
    embedding = np.ones((5, 8), np.float32)
    data = {"speech_mix": embedding, "speech_ref1": np.full(100, 0.5, np.float32), "other": np.ones(3)}
    beside = PeakLevel(True, LevelRule(1.0, 1.0))("a", data)
    assert beside["speech_mix"] is embedding and peaks(beside)[1:] == [1.0, 1.0]
    assert PeakLevel(True, LevelRule(0.9))("a", data)["speech_ref1"].max() == 0.5
    silent = PeakLevel(True, LevelRule(1.0, 1.0))("a", {"speech_mix": np.zeros(10, np.float32)})
    assert np.array_equal(silent["speech_mix"], np.zeros(10))


@pytest.mark.parametrize("given", [(0,), (-1,), (2.0,), ("loud",), (True,), (1.0, 0), (None, 1.0)])
def test_rules_that_make_no_sense(given):
    with pytest.raises(ValueError):
        LevelRule.of(*given)


def test_earlier_trainings_did_not_scale():
    assert LevelRule.of_training({"peak": 0.9}) is None
    assert LevelRule.of_training({}) is None
    assert LevelRule.of_training({"peak": 0.9, "reference_peak": None}) == LevelRule(0.9)
    assert LevelRule(1.0, 1.0).options() == ["--peak", "1", "--reference_peak", "1"]
