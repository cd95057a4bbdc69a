"""The VAE step: losses, statistics of the latents, and a code that overfits one example."""

import pytest
import torch

from espnet_codecse.errors import UserError
from espnet_codecse.fuse.build import build_vae_model
from espnet_codecse.fuse.vae import NoVAE


def batch(voice, num_samples=31 * 128, count=3):
    clean = torch.stack([torch.from_numpy(voice(num_samples, seed)) for seed in range(count)])
    noisy = clean + 0.02 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    return {"speech_mix": noisy, "speech_ref1": clean, "peak": noisy.abs().amax(1, keepdim=True)}


@pytest.mark.slow
def test_learns_to_reconstruct(vae_model, voice):
    data = batch(voice)
    optimizer = torch.optim.AdamW(vae_model.parameters(), 3e-3)
    first = vae_model.eval()(**data)[1]["mse"].item()
    vae_model.train()
    for _ in range(80):
        optimizer.zero_grad()
        vae_model(**data)[0].backward()
        optimizer.step()
    _loss, stats, weight = vae_model.eval()(**data)
    assert stats["mse"].item() < 0.5 * first and weight.item() == 3
    # Latents are normalised by what was seen in training.
    latent = vae_model.vae.encode(vae_model.spectrogram(data["speech_ref1"] / data["peak"]))
    assert latent.shape == (3, 4, 128, 16)
    assert 0.3 < latent.std().item() < 3 and latent.mean().abs() < 1
    assert vae_model.vae.num_batches == 80


def test_level_of_recordings_does_not_matter(vae_model, voice):
    vae_model.eval()
    data = batch(voice)
    loud = {name: 8 * value for name, value in data.items()}
    assert vae_model(**data)[0].item() == pytest.approx(vae_model(**loud)[0].item(), rel=1e-4)


def test_weights_of_the_losses(vae_model, voice):
    data = batch(voice)
    vae_model.eval()
    stats = vae_model(**data)[1]
    expected = stats["mse"] + 1e-6 * stats["kl"]
    assert stats["loss"].item() == pytest.approx(expected.item(), rel=1e-5) and "time" not in stats
    vae_model.kl_weight, vae_model.time_weight = 0.01, 0.5
    stats = vae_model(**data)[1]
    expected = stats["mse"] + 0.01 * stats["kl"] + 0.5 * stats["time"]
    assert stats["loss"].item() == pytest.approx(expected.item(), rel=1e-5)


def test_silence_and_no_vae(vae_model):
    silence = torch.zeros(2, 31 * 128)
    loss = vae_model(silence, silence, torch.zeros(2, 1))[0]
    loss.backward()
    assert torch.isfinite(loss)
    spectrogram = torch.randn(1, 2, 256, 32)
    assert torch.allclose(NoVAE().decode(NoVAE().encode(spectrogram)), spectrogram)


def test_patches_halve_as_levels_do():
    vae = build_vae_model({}, {"channels": [8, 8], "layers_per_block": 1, "norm_groups": 4, "patch": 2}, {}, 32).vae
    spectrogram = torch.randn(1, 2, 256, 32)
    assert vae.reduction == 4 and vae.encode(spectrogram).shape == (1, 8, 64, 8)
    assert vae(spectrogram)[0].shape == vae.decode(vae.encode(spectrogram)).shape == (1, 2, 256, 32)
    assert torch.allclose(vae.decode(vae.encode(spectrogram)), vae.reconstruct(spectrogram), atol=1e-5)


def test_configurations_that_do_not_fit():
    for key, conf in (("vae_conf", ({}, {"width": 3}, {})), ("model_conf", ({}, {"channels": [32]}, {"x": 1}))):
        with pytest.raises(UserError, match=f"{key}: .*compare it with the template"):
            build_vae_model(*conf, 32)
    with pytest.raises(UserError, match="spectrogram_conf"):
        build_vae_model({"hop": 400}, {}, {}, 32)
    with pytest.raises(UserError, match="give multiples of 4"):
        build_vae_model({}, {"channels": [32, 32, 32]}, {}, 30)
