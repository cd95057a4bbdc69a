"""A convolutional denoiser, which trains faster on a CPU than one with attention."""

import itertools
import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F

from espnet_codecse.codec.mdct.layers import zero_initialised
from espnet_codecse.errors import UserError
from espnet_codecse.fuse.abs_denoiser import AbsDenoiser
from espnet_codecse.fuse.guidance import Guidance, denoiser_input

TIME_CHANNELS = 64  # number of sinusoids of the time
LONGEST_PERIOD = 1e4  # longest period of the sinusoids
LEAST_VARIANCE = 1e-3  # smallest variance of an error; latents have unit variance
FIRST_SPREAD = -1.0  # initial value before the softplus; the variance is then 0.3


class ConvDenoiser(AbsDenoiser):
    """U-Net of residual blocks on ``[z_t, z_noisy]`` that predicts velocity.

    For every value, the network estimates the clean latent ``m = z_noisy + factor * z_noisy + value`` (a mask can
    suppress noise) and the variance ``s`` of the estimation error. The information in ``z_t = a x + b e`` is combined
    analytically: for a Gaussian error, the best estimate of ``x`` is ``(s a z_t + b^2 m) / (a^2 s + b^2)``. The output
    is its velocity ``(a z_t - x) / b``. All times of the diffusion thus share the difficult part of the task. Before
    training, pure noise is denoised to the noisy latent.

    Convolutions are blind to the absolute frequency, so each level adds a learned value for every bin. With
    ``bin_reduction``, fully connected layers along the bins follow each residual block (Choi et al., 2020, 1912.02591):
    a block then hears the whole spectrum of a frame, for a few per cent of its operations.

    Args:
        latent_channels, latent_bins: number of channels and bins of the latent.
        alphas: ``(time,)``, a squared, the scheduler's ``alphas_cumprod``.
        channels: channels of each level; every level but the last is halved in both directions.
        blocks: number of residual blocks per level in the encoder; each level of the decoder has one.
        norm_groups: number of groups of the group normalisation; it must divide all channels.
        time_width: width of the time embedding.
        bin_reduction: the layers along the bins reduce their number by this factor and restore it; 0: no such layers.
        guidance: arguments of :class:`Guidance` about the features; None: no guidance. The injection must be addition
            or concatenation, because there is no attention to tokens.

    Raises:
        UserError: the guidance uses cross-attention.
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
        bin_reduction: int = 0,
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

        def block(level: int) -> _Block:
            return _Block(channels[level], time_width, norm_groups, latent_bins >> level, bin_reduction)

        self.down = torch.nn.ModuleList(
            torch.nn.ModuleList(block(level) for _ in range(count)) for level, count in enumerate(blocks)
        )
        pairs = list(itertools.pairwise(channels))
        self.shrink = torch.nn.ModuleList(torch.nn.Conv2d(upper, lower, 2, stride=2) for upper, lower in pairs)
        self.widen = torch.nn.ModuleList(torch.nn.Conv2d(lower, 4 * upper, 1) for upper, lower in pairs)
        self.up = torch.nn.ModuleList(block(level) for level in range(len(pairs)))
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
        # (a z_t - x) / b, rewritten without the division by b, which is 0 if there is no noise.
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
    """Residual block of two convolutions; the time embedding scales and shifts the features between them.

    Layers along the bins may follow.
    """

    def __init__(self, channels: int, time_width: int, norm_groups: int, num_bins: int, bin_reduction: int):
        super().__init__()
        self.first_norm = torch.nn.GroupNorm(norm_groups, channels)
        self.first = torch.nn.Conv2d(channels, channels, 3, padding=1)
        self.time = zero_initialised(torch.nn.Linear(time_width, 2 * channels))
        self.second_norm = torch.nn.GroupNorm(norm_groups, channels)
        self.second = zero_initialised(torch.nn.Conv2d(channels, channels, 3, padding=1))
        self.along_bins = _AlongBins(channels, norm_groups, num_bins, bin_reduction) if bin_reduction else None

    def forward(self, hidden: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        """Map ``hidden (batch, channel, bin, frame)`` to the same shape; ``time`` is ``(batch, time_width)``."""
        change = self.first(F.silu(self.first_norm(hidden)))
        scale, shift = self.time(time)[:, :, None, None].chunk(2, 1)
        change = torch.addcmul(shift, self.second_norm(change), 1 + scale)
        hidden = hidden + self.second(F.silu(change))
        return hidden if self.along_bins is None else self.along_bins(hidden)


class _AlongBins(torch.nn.Module):
    """Residual fully connected layers along the bins, with the same weights for every channel and frame."""

    def __init__(self, channels: int, norm_groups: int, num_bins: int, reduction: int):
        super().__init__()
        self.norm = torch.nn.GroupNorm(norm_groups, channels)
        self.reduced = torch.nn.Linear(num_bins, num_bins // reduction)
        self.restored = zero_initialised(torch.nn.Linear(num_bins // reduction, num_bins))

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Map ``(batch, channel, bin, frame)`` to the same shape."""
        # As products from the left, the layers need no transposed copies.
        reduced = self.reduced.weight @ self.norm(hidden) + self.reduced.bias[:, None]
        return hidden + self.restored.weight @ F.silu(reduced) + self.restored.bias[:, None]


def _sinusoids(times: torch.Tensor) -> torch.Tensor:
    """Return sinusoids ``(batch, TIME_CHANNELS)``, float32, for ``times (batch,)``."""
    half = TIME_CHANNELS // 2
    rate = torch.exp(torch.arange(half, device=times.device) * (-math.log(LONGEST_PERIOD) / half))
    angle = times[:, None].float() * rate
    return torch.cat([angle.sin(), angle.cos()], 1)
