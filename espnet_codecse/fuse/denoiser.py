"""The denoiser: diffusers' conditional U-Net on the noised latent and the latent of the noisy speech."""

from collections.abc import Sequence

import torch
from diffusers import UNet2DConditionModel

from espnet_codecse.fuse.abs_denoiser import AbsDenoiser
from espnet_codecse.fuse.guidance import Guidance, denoiser_input


class Denoiser(AbsDenoiser):
    """U-Net on ``[z_t, z_noisy]`` and guidance; the scheduler's ``prediction_type`` defines its target.

    The paper gives no sizes; the defaults are those of latent diffusion at 64 x 64 (2112.10752).

    Args:
        latent_channels, latent_bins: number of channels and bins of the latent.
        channels: channels of each level; every level but the last is halved in both directions.
        attention_levels: levels with self-attention and with cross-attention to the guidance's tokens.
        layers_per_block: number of residual blocks per level.
        norm_groups: number of groups of the group normalisation; it must divide all channels.
        head_channels: channels per attention head.
        guidance: arguments of :class:`Guidance` about the features; None: no guidance.
    """

    def __init__(
        self,
        latent_channels: int,
        latent_bins: int,
        channels: Sequence[int] = (128, 256, 512),
        attention_levels: Sequence[int] = (1, 2),
        layers_per_block: int = 2,
        norm_groups: int = 32,
        head_channels: int = 32,
        guidance: dict | None = None,
    ):
        super().__init__()
        self.guidance = None
        if guidance is not None:
            self.guidance = Guidance(latent_channels=latent_channels, latent_bins=latent_bins, **guidance)
        by_tokens = self.guidance is not None and self.guidance.injection == "cross_attention"
        attention = "CrossAttn" if by_tokens else "Attn"
        levels = range(len(channels))
        blocks = [attention if level in attention_levels else "" for level in levels]
        mid = "UNetMidBlock2DCrossAttn" if by_tokens else "UNetMidBlock2D"
        extra = self.guidance.extra_channels if self.guidance is not None else 0
        token_channels = self.guidance.nothing.numel() if self.guidance is not None else 0
        self.reduction = 2 ** (len(channels) - 1)
        self.network = UNet2DConditionModel(
            in_channels=2 * latent_channels + extra,
            out_channels=latent_channels,
            down_block_types=tuple(f"{kind}DownBlock2D" for kind in blocks),
            mid_block_type=mid if attention_levels else "UNetMidBlock2D",
            up_block_types=tuple(f"{kind}UpBlock2D" for kind in reversed(blocks)),
            block_out_channels=tuple(channels),
            layers_per_block=layers_per_block,
            norm_num_groups=norm_groups,
            cross_attention_dim=token_channels if by_tokens else head_channels,
            # Use the old name of this argument. The library keeps its meaning: channels per head for one kind of block,
            # and the number of heads for the other.
            attention_head_dim=tuple(width // head_channels if by_tokens else head_channels for width in channels),
        )

    def forward(
        self,
        latent: torch.Tensor,
        times: torch.Tensor,
        noisy: torch.Tensor,
        features: torch.Tensor | None = None,
        kept: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """See :class:`AbsDenoiser`."""
        inputs, tokens = denoiser_input(self.guidance, latent, noisy, features, kept)
        return self.network(inputs, times, encoder_hidden_states=tokens).sample
