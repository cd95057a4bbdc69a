"""Recordings of any length through the causal network, with and without a teacher."""

import numpy as np
import pytest
import torch
from tiny_codecs import save_mdct

from espnet_codecse.causal.enhancer import CausalEnhancer
from espnet_codecse.causal.framing import STFTSettings
from espnet_codecse.causal.gcrn import GCRN
from espnet_codecse.errors import UserError
from espnet_codecse.features import load_features

SETTINGS = STFTSettings(exponent=0.5, factor=0.15)


def enhancer(segment_seconds: float = 30.0, features=None, given: str = "none", **options) -> CausalEnhancer:
    torch.manual_seed(0)
    network = GCRN(channels=(2, 2, 4, 4, 4), **options).eval()
    return CausalEnhancer(
        network, SETTINGS, segment_seconds=segment_seconds, features=features, given=given, bounded=True
    )


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    return load_features(f"codec:{save_mdct(tmp_path_factory.mktemp('codec') / 'tiny')}")


def whole(model: CausalEnhancer, samples: np.ndarray) -> np.ndarray:
    pieces = model.enhance_long(lambda start, count: samples[start : start + count], len(samples))
    return np.concatenate([piece["waveform"] for piece in pieces], axis=1)


def test_batched_as_one_by_one_as_streamed(voice):
    model = enhancer(segment_seconds=0.5)
    recordings = [voice(length, seed) for seed, length in enumerate((1, 399, 16000, 9001))]
    for recording, result in zip(recordings, model.enhance_batch(recordings)):
        alone = model.enhance_batch([recording])[0]["waveform"]
        assert result["waveform"].shape == (1, len(recording))
        np.testing.assert_allclose(result["waveform"], alone, atol=1e-5)
        np.testing.assert_allclose(whole(model, recording), alone, atol=1e-5)
    assert model.network_seconds > 0 and model.num_spk == 1


def test_silence_stays_silence():
    model = enhancer()
    assert not model.enhance_batch([np.zeros(5000, np.float32)])[0]["waveform"].any()
    assert not whole(enhancer(segment_seconds=0.1), np.zeros(5000, np.float32)).any()


@pytest.mark.slow
@pytest.mark.parametrize("given", ["noisy", "clean"])
def test_given_features(voice, features, given):
    model = enhancer(features=features, given=given, condition="teacher", embedding_size=features.dim)
    recordings = [voice(16000, 0), voice(9001, 1)]
    references = [voice(16000, 2), voice(9001, 3)] if given == "clean" else None
    together = model.enhance_batch(recordings, references)
    for index, recording in enumerate(recordings):
        alone = model.enhance_batch([recording], references and [references[index]])[0]["waveform"]
        np.testing.assert_allclose(together[index]["waveform"], alone, atol=1e-5)
    if given == "clean":
        others = model.enhance_batch(recordings, references[::-1][:1] * 2)
        assert np.abs(others[0]["waveform"] - together[0]["waveform"]).max() > 1e-5
        with pytest.raises(UserError, match="--reference_scp: missing"):
            model.enhance_batch(recordings)
    with pytest.raises(UserError, match="does not stream"):
        model.stream()
