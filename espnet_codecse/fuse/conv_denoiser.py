"""A denoiser of convolutions alone, which learns more per second without a GPU than one that attends."""

import itertools
import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F

from espnet_codecse.codec.mdct.layers import zero_initialised
from espnet_codecse.errors import UserError
from espnet_codecse.fuse.abs_denoiser import AbsDenoiser
from espnet_codecse.fuse.guidance import Guidance, denoiser_input

TIME_CHANNELS = 64  # sinusoids of the time
LONGEST_PERIOD = 1e4  # of them
LEAST_VARIANCE = 1e-3  # of latents of unit variance
FIRST_SPREAD = -1.0  # before the softplus: a variance of 0.3


class ConvDenoiser(AbsDenoiser):
    """U-Net of residual blocks on ``[z_t, z_noisy]`` that predicts velocity.

    The network estimates the clean latent, ``m = z_noisy + factor * z_noisy + value`` (suppressing noise is a mask),
    and the variance ``s`` of its error, each for every value. What ``z_t = a x + b e`` adds to that is known: were the
    error Gaussian, the best estimate of ``x`` would be ``(s a z_t + b^2 m) / (a^2 s + b^2)``. Its velocity
    ``(a z_t - x) / b`` is what comes out. So the times of the diffusion share what is hard to learn. At first, pure
    noise is denoised to the noisy latent.

    Convolutions do not know at which frequency they are: each level adds a learned value for every bin.

    Args:
        latent_channels, latent_bins: channels and bins of the latent.
        alphas: ``(time,)``, a squared, the scheduler's ``alphas_cumprod``.
        channels: channels of each level; every level but the last is halved in both directions.
        blocks: residual blocks of each level on the way down; on the way up there is one in each.
        norm_groups: number of groups of the group normalisation; divides all channels.
        time_width: width of the embedding of the diffusion's time.
        guidance: arguments of :class:`Guidance` for the features, without the latent's; None is no guidance. It enters
            by addition or concatenation: there is no attention for tokens.

    Raises:
        UserError: guidance by cross-attention.
    """

    def __init__(
        self,
        latent_channels: int,
        latent_bins: int,
        alphas: torch.Tensor,
        channels: Sequence[int] = (48, 96, 160),
        blocks: Sequence[int] = (1, 1, 2),
        norm_groups: int = 8,
        time_width: int = 128,
        guidance: dict | None = None,
    ):
        super().__init__()
        if len(blocks) != len(channels):
            raise ValueError(f"blocks {list(blocks)}: give one number for each of {len(channels)} levels")
        self.guidance = None
        if guidance is not None:
            if guidance["injection"] == "cross_attention":
                raise UserError("guidance_conf.injection cross_attention: a convolutional denoiser takes no tokens; "
                                "give addition or concatenation")  # fmt: skip
            self.guidance = Guidance(latent_channels=latent_channels, latent_bins=latent_bins, **guidance)
        extra = self.guidance.extra_channels if self.guidance is not None else 0
        self.reduction = 2 ** (len(channels) - 1)
        self.register_buffer("alphas", alphas.clone(), persistent=False)
        self.time = torch.nn.Sequential(
            torch.nn.Linear(TIME_CHANNELS, time_width), torch.nn.SiLU(),
            torch.nn.Linear(time_width, time_width), torch.nn.SiLU(),
        )  # fmt: skip
        self.first = torch.nn.Conv2d(2 * latent_channels + extra, channels[0], 3, padding=1)
        self.bins = torch.nn.ParameterList(
            torch.nn.Parameter(torch.zeros(width, latent_bins >> level, 1)) for level, width in enumerate(channels)
        )
        self.down = torch.nn.ModuleList(
            torch.nn.ModuleList(_Block(width, time_width, norm_groups) for _ in range(count))
            for width, count in zip(channels, blocks)
        )
        pairs = list(itertools.pairwise(channels))
        self.shrink = torch.nn.ModuleList(torch.nn.Conv2d(upper, lower, 2, stride=2) for upper, lower in pairs)
        self.widen = torch.nn.ModuleList(torch.nn.Conv2d(lower, 4 * upper, 1) for upper, lower in pairs)
        self.up = torch.nn.ModuleList(_Block(upper, time_width, norm_groups) for upper, _ in pairs)
        self.last_norm = torch.nn.GroupNorm(norm_groups, channels[0])
        self.last = zero_initialised(torch.nn.Conv2d(channels[0], 3 * latent_channels, 3, padding=1))

    def forward(
        self,
        latent: torch.Tensor,
        times: torch.Tensor,
        noisy: torch.Tensor,
        features: torch.Tensor | None = None,
        kept: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """See :class:`AbsDenoiser`."""
        inputs, _ = denoiser_input(self.guidance, latent, noisy, features, kept)
        values, factors, spreads = self._network(inputs, times).chunk(3, 1)
        estimate = noisy + factors * noisy + values
        variance = LEAST_VARIANCE + F.softplus(spreads + FIRST_SPREAD)
        power = self.alphas[times][:, None, None, None]
        signal, sigma = power.sqrt(), (1 - power).sqrt()
        # (a z_t - x) / b without the division, which has no value where there is no noise.
        gain = sigma / (power * variance + sigma.square())
        return gain * (signal * (1 - variance) * latent - estimate)

    def _network(self, inputs: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
        """Return ``(batch, 3 * channel, bin, frame)``."""
        time = self.time(_sinusoids(times).to(inputs.dtype))
        hidden = self.first(inputs)
        skipped: list[torch.Tensor] = []
        for level, (blocks, bins) in enumerate(zip(self.down, self.bins)):
            hidden = hidden + bins
            for block in blocks:
                hidden = block(hidden, time)
            if level < len(self.shrink):
                skipped.append(hidden)
                hidden = self.shrink[level](hidden)
        for level in reversed(range(len(self.up))):
            hidden = skipped[level] + F.pixel_shuffle(self.widen[level](hidden), 2)
            hidden = self.up[level](hidden, time)
        return self.last(F.silu(self.last_norm(hidden)))


class _Block(torch.nn.Module):
    """Two convolutions beside the identity; the time scales and shifts between them."""

    def __init__(self, channels: int, time_width: int, norm_groups: int):
        super().__init__()
        self.first_norm = torch.nn.GroupNorm(norm_groups, channels)
        self.first = torch.nn.Conv2d(channels, channels, 3, padding=1)
        self.time = zero_initialised(torch.nn.Linear(time_width, 2 * channels))
        self.second_norm = torch.nn.GroupNorm(norm_groups, channels)
        self.second = zero_initialised(torch.nn.Conv2d(channels, channels, 3, padding=1))

    def forward(self, hidden: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        """Return as ``hidden (batch, channel, bin, frame)``; ``time`` is ``(batch, time_width)``."""
        change = self.first(F.silu(self.first_norm(hidden)))
        scale, shift = self.time(time)[:, :, None, None].chunk(2, 1)
        change = torch.addcmul(shift, self.second_norm(change), 1 + scale)
        return hidden + self.second(F.silu(change))


def _sinusoids(times: torch.Tensor) -> torch.Tensor:
    """Return ``(batch, TIME_CHANNELS)``, float32, of ``times (batch,)``."""
    half = TIME_CHANNELS // 2
    rate = torch.exp(torch.arange(half, device=times.device) * (-math.log(LONGEST_PERIOD) / half))
    angle = times[:, None].float() * rate
    return torch.cat([angle.sin(), angle.cos()], 1)
