"""Frame features of DistillMOS: pooled as the package does, they give its score."""

import sys

import pytest
import torch

from espnet_codecse.errors import UserError
from espnet_codecse.features import load_features
from espnet_codecse.features.distillmos import DistillMOSFeatures

pytest.importorskip("distillmos")


@pytest.fixture(scope="module")
def features():
    return load_features("distillmos:v7")


@pytest.mark.parametrize("num_samples", [8000, 122880])
@torch.no_grad()
def test_pooled_they_give_the_packages_score(features, voice, num_samples):
    speech = torch.from_numpy(voice(num_samples))[None]
    padded = torch.nn.functional.pad(speech, (0, 122880 - num_samples))
    frames = features.features(padded)
    assert frames.shape == (1, 384, features.dim) and (features.dim, features.hop) == (200, 320)
    pooled = torch.sigmoid(features.network.transformer_pool_attn.pool(frames))
    torch.testing.assert_close(1 + 4 * pooled.view(1, 1), features.network(speech).view(1, 1))
    torch.testing.assert_close(features.features(speech), frames[:, : features.num_frames(num_samples)])


@torch.no_grad()
def test_long_recordings_in_segments(features, voice):
    speech = torch.from_numpy(voice(150000))[None]
    found, lengths = features.encode(speech, torch.tensor([150000]))
    assert found.shape == (1, 469, 200) and lengths.tolist() == [features.num_frames(150000)] == [469]
    torch.testing.assert_close(found[:, :384], features.features(speech[:, :122880]))


def test_what_is_not_there(monkeypatch):
    with pytest.raises(UserError, match="no version 'v8'; known: v7"):
        load_features("distillmos:v8")
    monkeypatch.setitem(sys.modules, "distillmos", None)
    with pytest.raises(UserError, match="pip install distillmos"):
        DistillMOSFeatures("v7")
