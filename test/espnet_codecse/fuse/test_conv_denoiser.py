"""The convolutional denoiser, and what the residual and matched times do to the objective."""

import pytest
import torch

from espnet_codecse.errors import UserError
from espnet_codecse.fuse.build import build_fuse_model
from espnet_codecse.fuse.conv_denoiser import ConvDenoiser

CONV = {"channels": [8, 16], "blocks": [1, 1], "norm_groups": 4, "time_width": 16}
ZERO_SNR = {"beta_schedule": "squaredcos_cap_v2", "rescale_betas_zero_snr": True, "prediction_type": "v_prediction"}
GUIDANCE = {"dim": 12, "tokens_per_frame": 1}


def denoiser(**changes):
    torch.manual_seed(0)
    return ConvDenoiser(4, 32, **{**CONV, **changes})


def latents(*shape):
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(shape, generator=generator) for _ in range(2)]


@pytest.fixture
def build(vae_settings):
    def make(diffusion=None, objective=None, **changes):
        torch.manual_seed(0)
        given = {"window_frames": 32, "denoiser": "convolutional", **changes}
        model = build_fuse_model(
            {}, vae_settings, CONV, {**ZERO_SNR, **(diffusion or {})}, {"kind": "none"},
            objective_conf=objective or {}, **given,
        )  # fmt: skip
        model.vae.num_batches += 1
        return model.eval()

    return make


@pytest.mark.parametrize("recurrent", [False, True])
@pytest.mark.parametrize("patch", [1, 2])
@pytest.mark.parametrize("gate", [False, True])
def test_all_weights_learn(recurrent, gate, patch, randomized):
    network = randomized(denoiser(recurrent=recurrent, gate=gate, patch=patch))
    latent, noisy = latents(2, 4, 32, 16)
    output = network(latent, torch.tensor([0, 999]), noisy)
    assert output.shape == latent.shape
    output.square().mean().backward()
    assert all(weight.grad is not None and weight.grad.any() for weight in network.parameters())


def test_nothing_at_first_and_any_window():
    network = denoiser(recurrent=True)
    for frames in (2, 16, 64):
        latent, noisy = latents(1, 4, 32, frames)
        assert not network(latent, torch.tensor([500]), noisy).any()


def test_time_frequency_and_gate_matter(randomized):
    network = randomized(denoiser())
    latent, noisy = latents(1, 4, 32, 16)
    early, late = (network(latent, torch.tensor([time]), noisy) for time in (10, 900))
    assert not torch.allclose(early, late)
    # The same input one level's step higher in frequency is not the same output there.
    flat = torch.ones(1, 4, 32, 16)
    output = network(flat, torch.tensor([10]), flat)[0, :, 8:24:2, 8]
    assert not torch.allclose(output[:, :-1], output[:, 1:], atol=1e-4)


@pytest.mark.parametrize("injection", ["addition", "concatenation"])
def test_guidance(injection, randomized):
    network = randomized(denoiser(guidance={"injection": injection, **GUIDANCE}))
    latent, noisy = latents(2, 4, 32, 16)
    times, kept = torch.tensor([10, 10]), torch.tensor([True, False])
    first, second = (network(latent, times, noisy, torch.randn(2, 9, 12), kept) for _ in range(2))
    assert not torch.allclose(first[0], second[0]) and torch.equal(first[1], second[1])


def test_what_does_not_fit():
    with pytest.raises(UserError, match="takes no tokens; give addition or concatenation"):
        denoiser(guidance={"injection": "cross_attention", **GUIDANCE})
    with pytest.raises(ValueError, match="one number for each of 2 levels"):
        denoiser(blocks=[1])


@pytest.mark.parametrize("kind", ["v_prediction", "sample"])
def test_residual_starts_at_the_noisy_latent(build, kind):
    model = build({"prediction_type": kind}, {"residual": True})
    spectrogram = torch.randn(2, 2, 256, 32)
    noisy = model.vae.encode(spectrogram)
    assert noisy.abs().max() < 6  # what sampling clips
    expected = model.vae.decode(noisy)
    assert torch.allclose(model.enhance(spectrogram, None, [0, 1], 1), expected, atol=1e-4)


def test_residual_of_the_truth_is_no_error(build):
    model = build(objective={"residual": True})
    clean, noise = latents(3, 4, 128, 8)
    times = torch.tensor([5, 500, 999])
    noised = model.scheduler.add_noise(clean, noise, times)
    target = model._target(clean, noise, times)

    def oracle(latent, times, noisy, features, kept):
        sigma = (1 - model.scheduler.alphas_cumprod[times]).sqrt()[:, None, None, None]
        return target + sigma * noisy

    assert torch.allclose(model._predict(oracle, noised, times, clean, None), target, atol=1e-5)


def test_matched_times(build):
    torch.manual_seed(0)
    model = build(objective={"matched_steps": 6, "matched_portion": 0.5})
    assert model.matched_times == [999, 832, 666, 499, 332, 166]
    times = model._draw_times(4000)
    assert torch.isin(times, torch.tensor(model.matched_times)).float().mean().item() == pytest.approx(0.503, abs=0.03)
    assert 0 <= times.min() < 10 and times.max() == 999
    assert set(build(objective={"matched_portion": 1.0})._draw_times(200).tolist()) == set(model.matched_times)


def test_training_lowers_the_loss(build):
    model = build(objective={"residual": True, "matched_portion": 0.5}, average_decay=0.9)
    clean, noise = latents(4, 4, 128, 8)
    noisy = clean + 0.5 * noise
    first = model.loss(clean, noisy, None).item()
    optimizer = torch.optim.AdamW(model.denoiser.parameters(), 3e-3)
    model.train()
    for _ in range(120):
        optimizer.zero_grad()
        model.loss(clean, noisy, None).backward()
        optimizer.step()
    model.eval()
    assert model.loss(clean, noisy, None).item() < 0.8 * first


def test_wrong_objectives(build):
    with pytest.raises(UserError, match="residual: epsilon has no part of the speech"):
        build({"prediction_type": "epsilon", "rescale_betas_zero_snr": False}, {"residual": True})
    with pytest.raises(UserError, match="matched_portion 2: give 0 to 1"):
        build(objective={"matched_portion": 2.0})
    with pytest.raises(UserError, match="num_steps 51"):
        build(objective={"matched_portion": 0.5, "matched_steps": 51})
    with pytest.raises(UserError, match="denoiser 'wavelet': unknown; known: unet, convolutional"):
        build(denoiser="wavelet")
    with pytest.raises(UserError, match="objective_conf: .*colour"):
        build(objective={"colour": 1})
