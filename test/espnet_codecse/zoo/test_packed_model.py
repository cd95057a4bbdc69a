"""The model that the package carries: it enhances, keeps silence silent and clean speech clean, and is small."""

import numpy as np
import pytest

from espnet_codecse.codec.resolve import PRETRAINED
from espnet_codecse.corpus.mixing import noise_gain
from espnet_codecse.corpus.noise import coloured
from espnet_codecse.corpus.synthesis import synthesise
from espnet_codecse.metrics.sdr import si_sdr
from espnet_codecse.zoo.load import load_enhancer
from espnet_codecse.zoo.verify import verify_pack

RATE = 16000
TEXT = "The quiet teacher painted seven wooden boxes beside the river, before breakfast, in the cold rain."


@pytest.fixture(scope="module")
def enhancer():
    return load_enhancer("nac_se", device="cpu", dtype="float32")


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    """A sentence of a synthesised voice, of which the model has heard none."""
    (samples,) = synthesise([{"text": TEXT, "voice": "en-us", "rate": 150, "pitch": 45, "range": 50}], RATE)
    return (0.05 * samples / samples.std()).astype(np.float32)


def enhance(enhancer, samples: np.ndarray) -> np.ndarray:
    return enhancer.enhance_batch([samples.astype(np.float32)])[0]["continuous"][0]


@pytest.mark.parametrize("exponent", [0.0, 1.0], ids=["white", "pink"])
def test_noise_is_reduced_and_the_level_kept(enhancer, speech, exponent):
    noise = coloured(np.random.default_rng(0), len(speech), RATE, exponent)
    mixture = speech + noise_gain(speech, noise, 5.0) * noise
    enhanced = enhance(enhancer, mixture)
    assert si_sdr(speech, enhanced) > si_sdr(speech, mixture) + 3
    assert abs(20 * np.log10(enhanced.std() / speech.std())) < 3


@pytest.mark.slow
def test_silence_stays_silence_and_nothing_clips(enhancer, speech):
    assert not enhance(enhancer, np.zeros(RATE)).any()
    loud = enhance(enhancer, 0.99 * speech / np.abs(speech).max())
    assert np.abs(loud).max() < 1.1
    followed_by_silence = enhance(enhancer, np.concatenate([speech, np.zeros(3 * RATE)]))
    assert np.abs(followed_by_silence[-2 * RATE :]).max() < 1e-3


def test_clean_speech_stays_clean(enhancer, speech):
    assert si_sdr(speech, enhance(enhancer, speech)) > 10


def test_size_and_card():
    folder = PRETRAINED / "nac_se"
    codec = sum(path.stat().st_size for path in (PRETRAINED / "small_codec").iterdir())
    assert codec + sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) <= 25_000_000
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert all(part in card for part in ("license: cc-by-4.0", "## Limits", "## Training", "CC BY 4.0", "dB"))
    assert len(verify_pack(folder)) >= 3
