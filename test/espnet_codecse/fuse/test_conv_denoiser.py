"""The convolutional denoiser, and training at the times of sampling."""

import pytest
import torch
from random_weights import randomized

from espnet_codecse.errors import UserError
from espnet_codecse.fuse.build import build_fuse_model
from espnet_codecse.fuse.conv_denoiser import ConvDenoiser

CONV = {"channels": [8, 16], "blocks": [1, 1], "norm_groups": 4, "time_width": 16}
ZERO_SNR = {"beta_schedule": "squaredcos_cap_v2", "rescale_betas_zero_snr": True, "prediction_type": "v_prediction"}
GUIDANCE = {"dim": 12, "tokens_per_frame": 1}
ALPHAS = torch.linspace(1, 0, 1000)


def denoiser(**changes):
    torch.manual_seed(0)
    return ConvDenoiser(4, 32, ALPHAS, **{**CONV, **changes})


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


@pytest.mark.parametrize("bin_reduction", [0, 4])
def test_all_weights_learn(bin_reduction):
    network = randomized(denoiser(bin_reduction=bin_reduction))
    latent, noisy = latents(2, 4, 32, 16)
    output = network(latent, torch.tensor([5, 999]), noisy)
    assert output.shape == latent.shape
    output.square().mean().backward()
    assert all(weight.grad is not None and weight.grad.any() for weight in network.parameters())
    assert "alphas" not in network.state_dict()


@pytest.mark.parametrize("frames", [2, 16, 64])
def test_velocity_of_the_best_gaussian_estimate(frames):
    network = denoiser()
    latent, noisy = latents(5, 4, 32, frames)
    times = torch.tensor([0, 1, 300, 700, 999])
    velocity = network(latent, times, noisy)
    assert velocity.isfinite().all() and not velocity[0].any()  # at time 0 here, all signal
    power = ALPHAS[times].double()[:, None, None, None]
    variance = 1e-3 + torch.nn.functional.softplus(torch.tensor(-1.0))
    clean = (variance * power.sqrt() * latent + (1 - power) * noisy) / (power * variance + 1 - power)
    expected = (power.sqrt() * latent - clean) / (1 - power).sqrt()
    assert torch.allclose(velocity[1:].double(), expected[1:], atol=1e-4)


def test_time_and_frequency_matter():
    network = randomized(denoiser())
    latent, noisy = latents(1, 4, 32, 16)
    early, late = (network._network(torch.cat([latent, noisy], 1), torch.tensor([time])) for time in (10, 900))
    assert not torch.allclose(early, late)
    # The same input one step of the last level higher in frequency gives another output.
    flat = torch.ones(1, 4, 32, 16)
    output = network(flat, torch.tensor([10]), flat)[0, :, 8:24:2, 8]
    assert not torch.allclose(output[:, :-1], output[:, 1:], atol=1e-4)


def test_layers_along_bins_hear_the_whole_spectrum_of_a_frame():
    plain, mixing = (denoiser(bin_reduction=reduction) for reduction in (0, 4))
    assert not mixing.load_state_dict(plain.state_dict(), strict=False).unexpected_keys
    inputs, times = torch.cat(latents(1, 4, 32, 8), 1), torch.tensor([10])
    assert torch.equal(mixing._network(inputs, times), plain._network(inputs, times))  # nothing before training
    layers = randomized(mixing).down[0][0].along_bins
    layers.norm = torch.nn.Identity()
    hidden = torch.randn(1, 8, 32, 8, requires_grad=True)
    (reached,) = torch.autograd.grad((layers(hidden) - hidden)[0, 3, 31, 5], hidden)
    assert reached[0, 3, :, 5].all() and reached.count_nonzero() == 32


@pytest.mark.parametrize("injection", ["addition", "concatenation"])
def test_guidance(injection):
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


def test_begins_at_the_noisy_latent(build):
    model = build()
    spectrogram = torch.randn(2, 2, 256, 32)
    noisy = model.vae.encode(spectrogram)
    assert noisy.abs().max() < 6  # beyond it, sampling clips
    assert torch.allclose(model.enhance(spectrogram, None, [0, 1], 1), model.vae.decode(noisy), atol=1e-4)


def test_matched_times(build):
    torch.manual_seed(0)
    model = build(objective={"matched_steps": 6, "matched_portion": 0.5})
    assert model.matched_times == [999, 832, 666, 499, 332, 166]
    times = model._draw_times(4000)
    assert torch.isin(times, torch.tensor(model.matched_times)).float().mean().item() == pytest.approx(0.503, abs=0.03)
    assert 0 <= times.min() < 10 and times.max() == 999
    assert set(build(objective={"matched_portion": 1.0})._draw_times(200).tolist()) == set(model.matched_times)


@pytest.mark.slow
def test_training_lowers_the_loss(build):
    model = build(objective={"matched_portion": 0.5}, average_decay=0.9)
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
    with pytest.raises(UserError, match="a convolutional denoiser predicts v_prediction"):
        build({"prediction_type": "sample"})
    with pytest.raises(UserError, match="matched_portion 2: give 0 to 1"):
        build(objective={"matched_portion": 2.0})
    with pytest.raises(UserError, match="num_steps 51"):
        build(objective={"matched_portion": 0.5, "matched_steps": 51})
    with pytest.raises(UserError, match="denoiser 'wavelet': unknown; known: unet, convolutional"):
        build(denoiser="wavelet")
    with pytest.raises(UserError, match="objective_conf: .*colour"):
        build(objective={"colour": 1})
