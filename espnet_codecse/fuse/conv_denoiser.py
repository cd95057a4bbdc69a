"""A denoiser of convolutions alone, which learns more per second without a GPU than one that attends."""

import math
from typing import Dict, List, Optional, Sequence

import torch
import torch.nn.functional as F

from espnet_codecse.errors import UserError
from espnet_codecse.fuse.guidance import Guidance

TIME_CHANNELS = 64  # sinusoids of the time
LONGEST_PERIOD = 1e4  # of them


class ConvDenoiser(torch.nn.Module):
    """U-Net of residual blocks on ``[z_t, z_noisy]``, with the interface of :class:`espnet_codecse.fuse.Denoiser`.

    Convolutions do not know at which frequency they are: each level adds a learned value for every bin. Besides values
    of its own, the network gives a factor for every value of the noisy latent, so that suppressing noise, which is a
    mask, need not be learned as a difference of large values. Both are zero at first.

    Args:
        latent_channels, latent_bins: of the latent.
        channels: of each level; every level but the last is halved in both directions.
        blocks: residual blocks of each level on the way down; on the way up there is one in each.
        norm_groups: of the group normalisation; divides all channels.
        time_width: of the embedding of the diffusion's time.
        recurrent: after each block of the last level, a bidirectional GRU over the frames of each bin.
        gate: multiply the noisy latent; see above.
        patch: squares of so many bins and frames become channels before the first level, whose convolutions then mix
            ``patch ** 2`` times more channels at the same cost.
        guidance: arguments of :class:`Guidance` for the features, without the latent's; None is no guidance. It enters
            by addition or concatenation: there is no attention for tokens.

    Raises:
        UserError: guidance by cross-attention.
    """

    def __init__(
        self,
        latent_channels: int,
        latent_bins: int,
        channels: Sequence[int] = (48, 96, 160),
        blocks: Sequence[int] = (1, 1, 2),
        norm_groups: int = 8,
        time_width: int = 128,
        recurrent: bool = False,
        gate: bool = True,
        patch: int = 1,
        guidance: Optional[Dict] = None,
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
        self.reduction = patch * 2 ** (len(channels) - 1)
        self.gate, self.patch = gate, patch
        self.time = torch.nn.Sequential(
            torch.nn.Linear(TIME_CHANNELS, time_width), torch.nn.SiLU(),
            torch.nn.Linear(time_width, time_width), torch.nn.SiLU(),
        )  # fmt: skip
        self.first = torch.nn.Conv2d((2 * latent_channels + extra) * patch**2, channels[0], 3, padding=1)
        self.bins = torch.nn.ParameterList(
            torch.nn.Parameter(torch.zeros(width, latent_bins // patch >> level, 1))
            for level, width in enumerate(channels)
        )
        self.down = torch.nn.ModuleList(
            torch.nn.ModuleList(_Block(width, time_width, norm_groups) for _ in range(count))
            for width, count in zip(channels, blocks)
        )
        pairs = list(zip(channels[:-1], channels[1:]))
        self.shrink = torch.nn.ModuleList(torch.nn.Conv2d(upper, lower, 2, stride=2) for upper, lower in pairs)
        self.widen = torch.nn.ModuleList(torch.nn.Conv2d(lower, 4 * upper, 1) for upper, lower in pairs)
        self.up = torch.nn.ModuleList(_Block(upper, time_width, norm_groups) for upper, _ in pairs)
        self.over_frames = torch.nn.ModuleList(
            _OverFrames(channels[-1], norm_groups) for _ in range(blocks[-1] if recurrent else 0)
        )
        self.last_norm = torch.nn.GroupNorm(norm_groups, channels[0])
        self.last = torch.nn.Conv2d(channels[0], (2 if gate else 1) * latent_channels * patch**2, 3, padding=1)
        _zero(self.last)

    def forward(
        self,
        latent: torch.Tensor,
        times: torch.Tensor,
        noisy: torch.Tensor,
        features: Optional[torch.Tensor] = None,
        kept: Optional[torch.Tensor] = None,
    ) -> torch.Tensor:
        """Predict.

        Args:
            latent: ``(batch, channel, bin, frame)``, noised; bins and frames multiples of ``reduction``.
            times: ``(batch,)`` of the diffusion.
            noisy: the noisy speech's latent, likewise.
            features: ``(batch, feature frame, dim)``, with guidance.
            kept: ``(batch,)`` bool, whose features are shown; None shows all.

        Returns:
            As ``latent``.
        """
        inputs = [latent, noisy]
        if self.guidance is not None:
            _, guiding = self.guidance(features, latent.shape[-1], kept)
            if self.guidance.injection == "addition":
                inputs[1] = noisy + guiding
            else:
                inputs.append(guiding)
        time = self.time(_sinusoids(times).to(latent.dtype))
        hidden = self.first(F.pixel_unshuffle(torch.cat(inputs, 1), self.patch))
        skipped: List[torch.Tensor] = []
        for level, (blocks, bins) in enumerate(zip(self.down, self.bins)):
            hidden = hidden + bins
            for number, block in enumerate(blocks):
                hidden = block(hidden, time)
                if level == len(self.shrink) and self.over_frames:
                    hidden = self.over_frames[number](hidden)
            if level < len(self.shrink):
                skipped.append(hidden)
                hidden = self.shrink[level](hidden)
        for level in reversed(range(len(self.up))):
            hidden = skipped[level] + F.pixel_shuffle(self.widen[level](hidden), 2)
            hidden = self.up[level](hidden, time)
        output = F.pixel_shuffle(self.last(F.silu(self.last_norm(hidden))), self.patch)
        if not self.gate:
            return output
        values, factors = output.chunk(2, 1)
        return values + factors * noisy


class _Block(torch.nn.Module):
    """Two convolutions beside the identity; the time scales and shifts between them."""

    def __init__(self, channels: int, time_width: int, norm_groups: int):
        super().__init__()
        self.first_norm = torch.nn.GroupNorm(norm_groups, channels)
        self.first = torch.nn.Conv2d(channels, channels, 3, padding=1)
        self.time = torch.nn.Linear(time_width, 2 * channels)
        self.second_norm = torch.nn.GroupNorm(norm_groups, channels)
        self.second = torch.nn.Conv2d(channels, channels, 3, padding=1)
        _zero(self.time)
        _zero(self.second)

    def forward(self, hidden: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        """Return as ``hidden (batch, channel, bin, frame)``; ``time`` is ``(batch, time_width)``."""
        change = self.first(F.silu(self.first_norm(hidden)))
        scale, shift = self.time(time)[:, :, None, None].chunk(2, 1)
        change = torch.addcmul(shift, self.second_norm(change), 1 + scale)
        return hidden + self.second(F.silu(change))


class _OverFrames(torch.nn.Module):
    """A bidirectional GRU over the frames of each bin, beside the identity: what noise does over the whole window."""

    def __init__(self, channels: int, norm_groups: int):
        super().__init__()
        self.norm = torch.nn.GroupNorm(norm_groups, channels)
        self.recurrence = torch.nn.GRU(channels, channels // 2, batch_first=True, bidirectional=True)
        self.project = torch.nn.Linear(2 * (channels // 2), channels)
        _zero(self.project)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Return as ``hidden (batch, channel, bin, frame)``."""
        rows = self.norm(hidden).permute(0, 2, 3, 1)
        output = self.project(self.recurrence(rows.flatten(0, 1))[0])
        return hidden + output.unflatten(0, rows.shape[:2]).permute(0, 3, 1, 2)


def _zero(layer: torch.nn.Module) -> None:
    torch.nn.init.zeros_(layer.weight)
    torch.nn.init.zeros_(layer.bias)


def _sinusoids(times: torch.Tensor) -> torch.Tensor:
    """Return ``(batch, TIME_CHANNELS)``, float32, of ``times (batch,)``."""
    half = TIME_CHANNELS // 2
    rate = torch.exp(torch.arange(half, device=times.device) * (-math.log(LONGEST_PERIOD) / half))
    angle = times[:, None].float() * rate
    return torch.cat([angle.sin(), angle.cos()], 1)
