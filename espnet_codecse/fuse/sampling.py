"""DDIM sampling of the clean latent, from noise or from the noisy latent."""

from collections.abc import Callable

import torch
from diffusers import DDIMScheduler

from espnet_codecse.errors import UserError

MAX_STEPS = 50


def sampling_times(scheduler: DDIMScheduler, num_steps: int, start: float) -> list[int]:
    """Set up the scheduler for ``num_steps`` evaluations of the network, and return their times in descending order.

    Args:
        scheduler: the scheduler; its ``step`` then uses the right step size.
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
    return [int(time) for time in scheduler.timesteps[-num_steps:]]


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
    for time in times:
        prediction = network(latent, torch.full((len(latent),), time, device=latent.device))
        latent = scheduler.step(prediction, time, latent, eta=0.0).prev_sample
    return latent


def seeded_noise(seed: int, number: int, shape, device) -> torch.Tensor:
    """Return standard normal noise of ``shape`` that depends only on the seed and the window's number in its recording.

    It is drawn on the CPU, so that it does not depend on the device or on the batch.
    """
    generator = torch.Generator().manual_seed(seed * 1_000_003 + number)
    return torch.randn(shape, generator=generator).to(device)
