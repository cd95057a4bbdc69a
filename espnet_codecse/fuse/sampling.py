"""DDIM from noise, or from the noisy latent, to the clean one."""

from collections.abc import Callable

import torch
from diffusers import DDIMScheduler

from espnet_codecse.errors import UserError

MAX_STEPS = 50


def sampling_times(scheduler: DDIMScheduler, num_steps: int, start: float) -> list[int]:
    """Set the scheduler up for ``num_steps`` evaluations of the network and return their times, falling.

    Args:
        scheduler: its ``step`` then knows how far a step goes.
        num_steps: evaluations.
        start: 1 begins with pure noise; less begins at that part of the diffusion, with the noisy latent's noised
            version (warm start).

    Raises:
        UserError: steps or start out of range.
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
    return [int(time) for time in scheduler.timesteps[-num_steps:]]


def sample(
    scheduler: DDIMScheduler,
    network: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    noise: torch.Tensor,
    noisy: torch.Tensor,
    num_steps: int,
    start: float = 1.0,
) -> torch.Tensor:
    """Integrate deterministically (eta 0).

    Args:
        scheduler: holds the noise schedule and what the network predicts.
        network: ``network(latent, times (batch,))`` gives what the scheduler's ``prediction_type`` says.
        noise: ``(batch, channel, bin, frame)``, standard normal.
        noisy: the noisy speech's latent; used with ``start`` below 1.
        num_steps: evaluations of the network.
        start: see :func:`sampling_times`.

    Returns:
        The clean latent, of the same shape.
    """
    times = sampling_times(scheduler, num_steps, start)
    latent = noise
    if start < 1:
        latent = scheduler.add_noise(noisy, noise, torch.full((len(noise),), times[0], device=noise.device))
    for time in times:
        prediction = network(latent, torch.full((len(latent),), time, device=latent.device))
        latent = scheduler.step(prediction, time, latent, eta=0.0).prev_sample
    return latent


def seeded_noise(seed: int, number: int, shape, device) -> torch.Tensor:
    """Return standard normal ``shape`` that depends on the seed and on the window's number in its recording alone.

    It is drawn on the CPU, so that all devices and all batches of recordings get the same.
    """
    generator = torch.Generator().manual_seed(seed * 1_000_003 + number)
    return torch.randn(shape, generator=generator).to(device)
