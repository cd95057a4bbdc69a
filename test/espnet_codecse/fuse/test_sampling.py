"""DDIM against a Gaussian, where the optimal prediction and the result are known."""

import math

import pytest
import torch
from diffusers import DDIMScheduler

from espnet_codecse.errors import UserError
from espnet_codecse.fuse.build import DIFFUSION
from espnet_codecse.fuse.sampling import ddim_step, sample, sampling_times, seeded_noise, window_noise

MEAN, DEVIATION = 0.7, 0.4


def scheduler(**changes):
    return DDIMScheduler(**{**DIFFUSION, "clip_sample": False, **changes})


def optimal(scheduler):
    """The best prediction for data that are normal with MEAN and DEVIATION."""

    def network(latent, times):
        alpha = scheduler.alphas_cumprod[int(times[0])]
        noise = (1 - alpha).sqrt() * (latent - alpha.sqrt() * MEAN) / (alpha * DEVIATION**2 + 1 - alpha)
        clean = (latent - (1 - alpha).sqrt() * noise) / alpha.sqrt()
        kind = scheduler.config.prediction_type
        velocity = alpha.sqrt() * noise - (1 - alpha).sqrt() * clean
        return {"epsilon": noise, "sample": clean, "v_prediction": velocity}[kind]

    return network


@pytest.mark.parametrize("kind", ["epsilon", "sample", "v_prediction"])
@pytest.mark.parametrize("schedule", ["linear", "squaredcos_cap_v2"])
def test_mean_and_deviation(kind, schedule):
    ddim = scheduler(prediction_type=kind, beta_schedule=schedule)
    noise = torch.randn(1, 1, 100, 100, generator=torch.Generator().manual_seed(0)).double()
    result = sample(ddim, optimal(ddim), noise, torch.zeros_like(noise), 50)
    assert result.mean().item() == pytest.approx(MEAN, abs=0.01)
    assert result.std().item() == pytest.approx(DEVIATION, rel=0.08)


@pytest.mark.parametrize("num_steps", [1, 2, 6, 7, 10, 50])
def test_each_step_is_the_closed_form(num_steps):
    ddim = scheduler()
    noise = torch.tensor([-1.5, 0.2, 2.0]).double().reshape(1, 1, 1, 3)
    result = sample(ddim, optimal(ddim), noise, torch.zeros_like(noise), num_steps)
    latent = noise
    alphas = ddim.alphas_cumprod.double()
    times = sampling_times(ddim, num_steps, 1.0)
    for time, next_time in zip(times, [*times[1:], None]):
        alpha = alphas[time]
        after = torch.tensor(1.0) if next_time is None else alphas[next_time]
        variance = alpha * DEVIATION**2 + 1 - alpha
        epsilon = (1 - alpha).sqrt() * (latent - alpha.sqrt() * MEAN) / variance
        clean = MEAN + DEVIATION**2 * alpha.sqrt() * (latent - alpha.sqrt() * MEAN) / variance  # posterior mean
        latent = after.sqrt() * clean + (1 - after).sqrt() * epsilon
    assert torch.allclose(result, latent, atol=1e-4)


@pytest.mark.parametrize("start", [1.0, 0.5])
@pytest.mark.parametrize("kind", ["epsilon", "sample", "v_prediction"])
def test_an_oracle_ends_at_the_clean_latent_with_any_number_of_steps(kind, start):
    ddim = scheduler(prediction_type=kind, clip_sample=True)
    generator = torch.Generator().manual_seed(1)
    clean, noise, noisy = (torch.randn(1, 2, 8, 8, generator=generator).double() for _ in range(3))

    def oracle(latent, times):
        alpha = ddim.alphas_cumprod[int(times[0])].double()
        epsilon = (latent - alpha.sqrt() * clean) / (1 - alpha).sqrt()
        velocity = alpha.sqrt() * epsilon - (1 - alpha).sqrt() * clean
        return {"epsilon": epsilon, "sample": clean, "v_prediction": velocity}[kind]

    for num_steps in range(1, 51):
        result = sample(ddim, oracle, noise, noisy, num_steps, start)
        assert (result - clean).square().mean() < 1e-9 * clean.square().mean(), num_steps  # -90 dB


@pytest.mark.parametrize("kind", ["epsilon", "sample", "v_prediction"])
@pytest.mark.parametrize("clip", [True, False])
def test_steps_are_those_of_diffusers_where_these_meet_the_next_time(kind, clip):
    ddim = scheduler(prediction_type=kind, clip_sample=clip, clip_sample_range=0.5)
    generator = torch.Generator().manual_seed(1)
    latent, prediction = (torch.randn(1, 2, 4, 4, generator=generator) for _ in range(2))
    times = sampling_times(ddim, 10, 1.0)
    for time, after in zip(times, [*times[1:], -1]):
        expected = ddim.step(prediction, time, latent, eta=0.0).prev_sample
        assert torch.allclose(ddim_step(ddim, prediction, time, after, latent), expected, atol=1e-5)


def test_times():
    for total in (6, 61, 122, 201):  # the last three make diffusers' spacing add a time
        times = sampling_times(scheduler(), min(total, 50), min(total, 50) / total)
        assert len(times) == min(total, 50) and times[-1] > 0 and times == sorted(set(times), reverse=True)
    assert sampling_times(scheduler(), 1, 1.0) == [999]
    assert sampling_times(scheduler(), 4, 1.0) == [999, 749, 499, 249]
    assert sampling_times(scheduler(), 5, 0.5) == [499, 399, 299, 199, 99]
    for arguments in ((0, 1.0), (51, 1.0), (6, 0.0), (6, 1.5), (50, 0.01)):
        with pytest.raises(UserError, match="give "):
            sampling_times(scheduler(), *arguments)


def test_warm_start_begins_with_the_noisy_latent():
    ddim = scheduler()
    seen = []

    def network(latent, times):
        seen.append((latent.clone(), int(times[0])))
        return torch.zeros_like(latent)

    noise, noisy = torch.randn(2, 1, 2, 3), torch.randn(2, 1, 2, 3)
    sample(ddim, network, noise, noisy, 3, 0.3)
    alpha = ddim.alphas_cumprod[299]
    assert [time for _, time in seen] == [299, 199, 99]
    assert torch.allclose(seen[0][0], alpha.sqrt() * noisy + (1 - alpha).sqrt() * noise, atol=1e-6)
    sample(ddim, network, noise, noisy, 3)
    assert torch.equal(seen[3][0], noise)


def test_noise():
    assert torch.equal(seeded_noise(1, 2, (3, 4), "cpu"), seeded_noise(1, 2, (3, 4), "cpu"))
    others = [seeded_noise(*key, (1000,), "cpu") for key in ((1, 3), (2, 2))]
    assert all(
        abs(float(torch.dot(seeded_noise(1, 2, (1000,), "cpu"), other))) < 4 * math.sqrt(1000) for other in others
    )


@pytest.mark.parametrize("overlap", [0, 2, 5])
def test_windows_share_the_noise_where_they_overlap(overlap):
    noise = window_noise(1, [3, 4, 5], (2, 4, 8), overlap, "cpu")
    assert noise.shape == (3, 2, 4, 8)
    hop = 8 - overlap
    assert torch.equal(noise[:-1, ..., hop:], noise[1:, ..., :overlap])
    assert not torch.equal(noise[0, ..., :hop], noise[1, ..., :hop])
    assert torch.equal(window_noise(1, [4], (2, 4, 8), overlap, "cpu")[0], noise[1])  # whatever else is in the batch
