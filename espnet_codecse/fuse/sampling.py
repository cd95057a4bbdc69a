"""DDIM sampling of the clean latent, from noise or from the noisy latent.

The times are those of diffusers' spacing, and each step ends at the next of them, the last one at the clean latent. The
scheduler's own ``step`` always goes ``num_train_timesteps // num_steps`` times further. Where the number of steps does
not divide the number of times, it misses the next time, and a last noise of -40 dB remains.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from diffusers import DDIMScheduler

from espnet_codecse.errors import UserError
from espnet_codecse.length_mask import on_device

MAX_STEPS = 50


def sampling_times(scheduler: DDIMScheduler, num_steps: int, start: float) -> list[int]:
    """Return the times of ``num_steps`` evaluations of the network in descending order.

    Args:
        scheduler: the scheduler, whose ``timestep_spacing`` decides.
        num_steps: number of evaluations.
        start: 1: start from pure noise; less: start at this fraction of the diffusion, from the noised latent of the
            noisy speech (warm start).

    Raises:
        UserError: the number of steps or the start is out of range.
    """
    if not 1 <= num_steps <= MAX_STEPS:
        raise UserError(f"num_steps {num_steps}: give 1 to {MAX_STEPS}")
    if not 0 < start <= 1:
        raise UserError(f"start {start:g}: give 1 for pure noise, or a part of the diffusion above 0, such as 0.5")
    total = round(num_steps / start)
    if total > scheduler.config.num_train_timesteps:
        least = num_steps / scheduler.config.num_train_timesteps
        raise UserError(f"start {start:g}: too near the end for {num_steps} steps; give {least:.3g} or more")
    scheduler.set_timesteps(total)
    # Rounding of "trailing" spacing adds a time below zero to some numbers of steps.
    return [int(time) for time in scheduler.timesteps if time >= 0][-num_steps:]


def ddim_step(
    scheduler: DDIMScheduler, prediction: torch.Tensor, time: int, after: int, latent: torch.Tensor
) -> torch.Tensor:
    """Return the latent at the time ``after`` from that at ``time``, without adding noise (2010.02502, eq. 12).

    Args:
        scheduler: noise schedule, prediction type, and bounds of the clean latent.
        prediction: the network's.
        time: time of ``latent``.
        after: an earlier time; -1: the clean latent.
        latent: ``(batch, channel, bin, frame)``.
    """
    alphas, config = scheduler.alphas_cumprod, scheduler.config
    alpha, alpha_after = alphas[time], alphas[after] if after >= 0 else torch.ones_like(alphas[0])
    signal, noise = alpha.sqrt(), (1 - alpha).sqrt()
    if config.prediction_type == "epsilon":
        clean, epsilon = (latent - noise * prediction) / signal, prediction
    elif config.prediction_type == "sample":
        clean, epsilon = prediction, (latent - signal * prediction) / noise
    else:
        clean, epsilon = signal * latent - noise * prediction, signal * prediction + noise * latent
    if config.clip_sample:
        clean = clean.clamp(-config.clip_sample_range, config.clip_sample_range)
    return alpha_after.sqrt() * clean + (1 - alpha_after).sqrt() * epsilon


def sample(
    scheduler: DDIMScheduler,
    network: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    noise: torch.Tensor,
    noisy: torch.Tensor,
    num_steps: int,
    start: float = 1.0,
) -> torch.Tensor:
    """Sample deterministically (eta 0).

    Args:
        scheduler: noise schedule and prediction type.
        network: ``network(latent, times (batch,))`` returns the prediction of the scheduler's ``prediction_type``.
        noise: ``(batch, channel, bin, frame)``, standard normal.
        noisy: latent of the noisy speech; used if ``start`` is below 1.
        num_steps: number of evaluations of the network.
        start: see :func:`sampling_times`.

    Returns:
        The clean latent, of the same shape.
    """
    times = sampling_times(scheduler, num_steps, start)
    latent = noise
    if start < 1:
        latent = scheduler.add_noise(noisy, noise, torch.full((len(noise),), times[0], device=noise.device))
    for time, after in zip(times, [*times[1:], -1]):
        prediction = network(latent, torch.full((len(latent),), time, device=latent.device))
        latent = ddim_step(scheduler, prediction, time, after, latent)
    return latent


def window_noise(seed: int, numbers: Sequence[int], shape: Sequence[int], overlap: int, device) -> torch.Tensor:
    """Return noise ``(window, *shape)`` for windows of one recording.

    Neighbours have the same noise where they overlap, so that their samples agree there and cross-fade without a seam.

    Args:
        seed: seed of the recording.
        numbers: the number of each window in its recording.
        shape: of a window, frames last.
        overlap: frames that neighbours share.
        device: torch device.
    """
    hop = shape[-1] - overlap
    num_blocks = -(-shape[-1] // hop)
    windows = [
        torch.cat([seeded_noise(seed, number + step, (*shape[:-1], hop), device) for step in range(num_blocks)], dim=-1)
        for number in numbers
    ]
    return torch.stack(windows)[..., : shape[-1]]


def seeded_noise(seed: int, number: int, shape, device) -> torch.Tensor:
    """Return standard normal noise of ``shape`` that depends only on the seed and the window's number in its recording.

    It is drawn on the CPU, so that it does not depend on the device or on the batch.
    """
    generator = torch.Generator().manual_seed(window_seed(seed, number))
    return on_device(torch.randn(shape, generator=generator), device)


def window_seed(seed: int, number: int) -> int:
    """Return the seed of a recording's window; ``seed`` is that of the recording."""
    return seed * 1_000_003 + number


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Draw random numbers from ``seed``, for code that takes no generator; the generators are restored afterwards."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield
