"""Speed perturbation of speakers: the mixture stays the sum, lengths follow the speed."""

import numpy as np
import pytest

from espnet_codecse.preprocess.speed_perturbation import SpeedPerturbation


def tones(num_samples: int = 16000):
    """Two sines and a constant beside them, at 16 kHz."""
    time = np.arange(num_samples) / 16000
    references = [np.sin(2 * np.pi * hertz * time).astype(np.float32) for hertz in (400, 1000)]
    names = {f"speech_ref{index + 1}": reference for index, reference in enumerate(references)}
    return {"speech_mix": (sum(references) + 0.25).astype(np.float32), **names, "category": np.array([3])}


def pitch(samples: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), 1 << 18))
    return float(spectrum.argmax() * 16000 / (1 << 18))


@pytest.mark.parametrize("speed", [95, 100, 105])
def test_pitch_and_length_follow_the_speed(speed):
    data = tones()
    result = SpeedPerturbation(True, [speed])("utterance", data)
    assert pitch(result["speech_ref1"]) == pytest.approx(4 * speed, rel=0.003)
    assert pitch(result["speech_ref2"]) == pytest.approx(10 * speed, rel=0.003)
    num_samples = len(result["speech_mix"])
    assert num_samples == pytest.approx(min(16000, 16000 * 100 / speed), abs=1)
    assert {len(result[f"speech_ref{index}"]) for index in (1, 2)} == {num_samples}
    rest = result["speech_mix"] - result["speech_ref1"] - result["speech_ref2"]
    assert np.allclose(rest, 0.25, atol=1e-5) and result["speech_mix"].dtype == np.float32
    assert result["category"] is data["category"]


def test_speakers_are_drawn_each_by_itself():
    np.random.seed(0)
    perturb = SpeedPerturbation(True)
    pairs = {
        tuple(round(pitch(result[f"speech_ref{index}"]) / hertz, 2) for index, hertz in ((1, 400), (2, 1000)))
        for result in (perturb("utterance", tones(4000)) for _ in range(60))
    }
    assert pairs == {(first, second) for first in (0.95, 1.0, 1.05) for second in (0.95, 1.0, 1.05)}


def test_validation_stays_and_embeddings_are_refused():
    data = tones()
    assert SpeedPerturbation(False)("utterance", data) is data
    with pytest.raises(ValueError, match="takes waveforms, not embeddings"):
        SpeedPerturbation(True)("utterance", {"speech_mix": np.zeros((4, 8)), "speech_ref1": np.zeros((4, 8))})
    doubled = SpeedPerturbation(True, [100], lambda uid, given: {**given, "speech_mix": 2 * given["speech_mix"]})
    assert np.allclose(doubled("utterance", data)["speech_mix"], 2 * data["speech_mix"], atol=1e-6)
