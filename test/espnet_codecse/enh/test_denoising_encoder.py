"""The denoising encoder: only the encoder is trained, and whatever reads the codec's codes plays its output."""

import argparse
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from tiny_codecs import save_codec
from tiny_models import save_encoder_experiment

from espnet_codecse.codec import load_codec
from espnet_codecse.enh.encoder.denoising_encoder import DenoisingEncoder
from espnet_codecse.errors import UserError
from espnet_codecse.task.configuration import build_configuration
from espnet_codecse.task.enhancement import EmbeddingEnhancementTask, training_data
from espnet_codecse.zoo.load import load_enhancer

TEMPLATE = Path(__file__).resolve().parents[3] / "egs2" / "TEMPLATE" / "enh1" / "conf"
LEARNED = ("dac", "encodec", "espnet_soundstream", "lyra")


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, str]:
    base = tmp_path_factory.mktemp("codecs")
    return {family: str(save_codec(base / family, family)) for family in (*LEARNED, "mdct")}


@pytest.fixture(scope="module")
def lyra(folders) -> str:
    return folders["lyra"]


def build(codec: str, loss: str | None = None, **changes) -> torch.nn.Module:
    configuration = build_configuration(TEMPLATE, TEMPLATE, "nac_se", "1_enhance", codec, None, loss, None, ["encoder"])
    torch.manual_seed(0)
    return EmbeddingEnhancementTask.build_model(argparse.Namespace(**{**configuration, **changes}))


def batch(num_samples: int = 6400) -> dict[str, torch.Tensor]:
    speech = 0.1 * torch.randn(2, num_samples, generator=torch.Generator().manual_seed(0))
    noise = 0.1 * torch.randn(2, num_samples, generator=torch.Generator().manual_seed(1))
    lengths = torch.tensor([num_samples, num_samples - 1000])
    speech[1, -1000:] = noise[1, -1000:] = 0
    return {
        "speech_mix": speech + noise,
        "speech_mix_lengths": lengths,
        "speech_ref1": speech,
        "speech_ref1_lengths": lengths,
    }


@pytest.mark.slow
@pytest.mark.parametrize("family", LEARNED)
def test_starts_as_the_codec_and_learns(folders, family):
    codec = load_codec(folders[family])
    before = {name: value.clone() for name, value in codec.state_dict().items()}
    model, data = build(folders[family]), batch()
    embedding, lengths = model.encoder(data["speech_mix"], data["speech_mix_lengths"])
    expected, expected_lengths = codec.encode(data["speech_mix"], data["speech_mix_lengths"])
    assert torch.equal(lengths, expected_lengths)
    torch.testing.assert_close(embedding, expected, rtol=1e-5, atol=1e-5)
    parameters = list(model.parameters())
    loss = model(**data)[0]
    gradients = torch.autograd.grad(loss, parameters)
    # A step along the gradient lowers the loss as predicted, if it is short enough for the codec's scale.
    for share in 0.5 ** torch.arange(1, 20):
        step = share * loss.item() / sum(gradient.square().sum() for gradient in gradients)
        with torch.no_grad():
            for parameter, gradient in zip(parameters, gradients):
                parameter -= step * gradient
            reached = model(**data)[0].item() / loss.item()
            if reached < 1 - 0.5 * share:
                break
            for parameter, gradient in zip(parameters, gradients):
                parameter += step * gradient
    else:
        pytest.fail("no step along the gradient lowers the loss")
    assert all(torch.equal(value, before[name]) for name, value in codec.state_dict().items())
    assert {name.split(".")[0] for name in model.state_dict()} == {"encoder"}


@pytest.mark.parametrize("loss", ["pre", "post", "both", "waveform"])
def test_every_loss_reaches_the_encoder(lyra, loss):
    model = build(lyra, loss)
    model(**batch())[0].backward()
    assert all(parameter.grad is not None for parameter in model.encoder.layers.parameters())
    assert any(parameter.grad.abs().sum() > 0 for parameter in model.encoder.layers.parameters())


def test_the_target_is_the_embedding_of_the_frozen_encoder(lyra):
    model, data = build(lyra), batch()
    data["speech_mix"] = data["speech_ref1"]
    assert model(**data)[0].item() == pytest.approx(0.0, abs=1e-9)
    with torch.no_grad():
        for parameter in model.encoder.layers.parameters():
            parameter.mul_(1.1)
    codec = load_codec(lyra)
    clean, lengths = codec.encode(data["speech_ref1"], data["speech_ref1_lengths"])
    estimate = model.encoder(data["speech_ref1"], data["speech_ref1_lengths"])[0]
    errors = [(clean - estimate)[item, :length].square().mean() for item, length in enumerate(lengths.tolist())]
    assert model(**data)[0].item() == pytest.approx(torch.stack(errors).mean().item(), rel=1e-4)


def test_what_it_refuses(folders, lyra, tmp_path):
    with pytest.raises(UserError, match="its encoder has no weights to train; use another codec"):
        DenoisingEncoder(folders["mdct"])
    with pytest.raises(ValueError, match="takes waveforms"):
        build(lyra).encoder(torch.zeros(1, 5, 8), torch.tensor([5]))
    with pytest.raises(ValueError, match="8000 Hz"):
        build(lyra).encoder(torch.zeros(1, 320), torch.tensor([320]), fs=8000)
    with pytest.raises(UserError, match="separates no speakers"):
        build(lyra, separator_conf={"num_spk": 2})
    configuration = build_configuration(TEMPLATE, TEMPLATE, "nac_se", "1_enhance", lyra, None, None, None, ["encoder"])
    with pytest.raises(UserError, match="--embedding_source on_the_fly"):
        training_data(configuration, (tmp_path, tmp_path), {"embeddings": (tmp_path, tmp_path)})


def test_trained_codec_keeps_its_identity_and_decoder(lyra, tmp_path):
    codec = load_codec(lyra)
    enhancer = load_enhancer(str(save_encoder_experiment(tmp_path / "model", lyra)), layers=("continuous", "quantized"))
    assert enhancer.codec.fingerprint == codec.fingerprint
    trained = sum(parameter.numel() for parameter in codec.encoder_copy().parameters())
    assert sum(parameter.numel() for parameter in enhancer.network.parameters()) == trained > 0
    samples = 0.1 * torch.randn(1, 5000, generator=torch.Generator().manual_seed(0))
    lengths = torch.tensor([5000])
    mine, frames = enhancer.codec.encode(samples, lengths)
    assert not torch.allclose(mine, codec.encode(samples, lengths)[0], atol=1e-3)
    decoded = codec.decode(mine, frames, 5000)
    assert torch.equal(enhancer.codec.decode(mine, frames, 5000), decoded)
    result = enhancer.enhance_batch([samples[0].numpy()])[0]
    np.testing.assert_allclose(result["continuous"], decoded, atol=1e-5)
    quantized = codec.quantize(mine, frames)[0]
    np.testing.assert_allclose(result["quantized"], codec.decode(quantized, frames, 5000), atol=1e-5)
    # Another model on the same codec, in the same process.
    assert torch.equal(load_codec(lyra).encode(samples, lengths)[0], codec.encode(samples, lengths)[0])


def test_a_checkpoint_of_another_codec_is_refused(lyra, tmp_path):
    from tiny_lyra import save_lyra

    folder = save_encoder_experiment(tmp_path / "model", lyra)
    document = yaml.safe_load((folder / "config.yaml").read_text())
    document["encoder_conf"]["fingerprint"] = load_codec(lyra).fingerprint
    (folder / "config.yaml").write_text(yaml.safe_dump(document))
    other = save_lyra(tmp_path / "other", seed=1)
    with pytest.raises(UserError, match="use the codec of the training"):
        load_enhancer(str(folder), codec=str(other))
