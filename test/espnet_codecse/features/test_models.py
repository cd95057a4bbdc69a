"""Frozen features: BEATs from the official format, a Hugging Face folder, a codec."""

import os

import numpy as np
import pytest
import torch
from tiny_codecs import save_mdct
from tiny_features import save_beats, save_wav2vec2

from espnet_codecse.embedding.description import EmbeddingDescription
from espnet_codecse.errors import UserError
from espnet_codecse.features import load_features


@pytest.fixture(scope="module")
def codec_folder(tmp_path_factory):
    return str(save_mdct(tmp_path_factory.mktemp("codec") / "tiny"))


@pytest.fixture(params=["beats", "transformers", "codec"])
def source(request, tmp_path, codec_folder):
    if request.param == "beats":
        return save_beats(tmp_path / "beats.pt")
    return save_wav2vec2(tmp_path / "w2v") if request.param == "transformers" else f"codec:{codec_folder}"


def test_contract(source, voice):
    features = load_features(source)
    assert not any(parameter.requires_grad for parameter in features.parameters()) and not features.training
    assert features.dim % features.tokens_per_frame == 0 and len(features.fingerprint) >= 16
    for num_samples in (1, 100, 3199, 31 * 128, 16000, 20481):
        values = features.features(torch.from_numpy(voice(num_samples))[None])
        assert values.shape == (1, features.num_frames(num_samples), features.dim)
        assert torch.isfinite(values).all()
    # Enough for the description of what is stored.
    description = EmbeddingDescription.of(features, "continuous", "none")
    assert description.hop == features.hop and description.fingerprint == features.fingerprint


def test_batch_equals_one_by_one(source, voice):
    features = load_features(source)
    lengths = torch.tensor([16000, 5000, 9000])
    speech = torch.zeros(3, 16000)
    for index, length in enumerate(lengths.tolist()):
        speech[index, :length] = torch.from_numpy(voice(length, index))
    values, frames = features.encode(speech, lengths)
    for index, length in enumerate(lengths.tolist()):
        alone = features.features(speech[index : index + 1, :length])[0]
        assert frames[index] == len(alone) and torch.allclose(values[index, : len(alone)], alone, atol=1e-5)


def test_beats_tokens_lie_in_time(tmp_path, voice):
    features = load_features(save_beats(tmp_path / "beats.pt"))
    assert (features.hop, features.tokens_per_frame, features.dim) == (2560, 8, 128)
    speech = torch.zeros(1, 40960)
    loud = speech.clone()
    loud[:, 30000:] = torch.from_numpy(voice(10960))
    with torch.no_grad():
        patches = [
            features.network.patch_embedding(features.network.preprocess(item)[:, None]) for item in (speech, loud)
        ]
    changed = (patches[0] - patches[1]).abs().sum((0, 1)) > 1e-3  # (time, frequency)
    assert changed.shape[1] == 8 and not changed[:10].any() and changed[13:].any()


def test_beats_files_that_are_none(tmp_path):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "trace"),)

    cases = {"no BEATs checkpoint": {"model": {}}, "not a plain checkpoint": {"cfg": Trap(), "model": {}}}
    for text, content in cases.items():
        path = tmp_path / f"{len(text)}.pt"
        torch.save(content, path)
        with pytest.raises(UserError, match=text):
            load_features(f"beats:{path}")
    assert not (tmp_path / "trace").exists()
    with pytest.raises(UserError, match="no such checkpoint"):
        load_features(f"beats:{tmp_path / 'none.pt'}")
    save_beats(tmp_path / "cut.pt")
    content = torch.load(tmp_path / "cut.pt")
    del content["model"]["layer_norm.weight"]
    torch.save(content, tmp_path / "cut.pt")
    with pytest.raises(UserError, match="lacks layer_norm.weight"):
        load_features(f"beats:{tmp_path / 'cut.pt'}")
    # A fine-tuned checkpoint has a classifier besides.
    assert load_features(save_beats(tmp_path / "tuned.pt", **{"predictor.weight": torch.zeros(1)})).dim == 128


def test_folders_that_are_no_speech_models(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="empty: cannot be loaded"):
        load_features(f"transformers:{tmp_path / 'empty'}")
    from transformers import BertConfig, BertModel

    config = BertConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8, vocab_size=9)
    BertModel(config).save_pretrained(tmp_path / "bert")
    with pytest.raises(UserError, match="a 'bert' model takes no waveforms"):
        load_features(f"transformers:{tmp_path / 'bert'}")


def test_normalisation_of_levels(tmp_path, voice):
    features = load_features(save_wav2vec2(tmp_path / "w2v"))
    speech = torch.from_numpy(voice(8000))[None]
    assert np.allclose(features.features(speech), features.features(speech * 5), atol=1e-3)
