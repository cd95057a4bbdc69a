"""Guidance of the denoiser with features, by cross-attention, addition or concatenation."""

import math

import torch
import torch.nn.functional as F

from espnet_codecse.errors import UserError

INJECTIONS = ("cross_attention", "addition", "concatenation")


class Guidance(torch.nn.Module):
    """Trainable projection of frozen features, with a learned placeholder for dropped features.

    Args:
        injection: ``cross_attention``: the denoiser attends to tokens; ``addition``: a map is added to its input, the
            noisy latent; ``concatenation``: a map is concatenated to its input channels.
        dim, tokens_per_frame: size and number of tokens of a feature frame; see
            :class:`espnet_codecse.features.AbsFeatures`.
        latent_channels, latent_bins: number of channels and bins of the latent.
        width: width of the tokens.
        map_channels: channels of the map, for concatenation.
        dropout: fraction of training examples that get the placeholder (classifier-free guidance).
    """

    def __init__(
        self,
        injection: str,
        dim: int,
        tokens_per_frame: int,
        latent_channels: int,
        latent_bins: int,
        width: int = 256,
        map_channels: int = 4,
        dropout: float = 0.1,
    ):
        super().__init__()
        if injection not in INJECTIONS:
            raise UserError(f"guidance_conf.injection '{injection}': unknown; known: {', '.join(INJECTIONS)}")
        if not 0 <= dropout < 1:
            raise UserError(f"guidance_conf.dropout {dropout}: give 0 or more and less than 1")
        self.injection, self.tokens_per_frame, self.dropout = injection, tokens_per_frame, dropout
        self.latent_bins = latent_bins
        if injection == "cross_attention":
            self.norm = torch.nn.LayerNorm(dim // tokens_per_frame)
            self.project = torch.nn.Linear(dim // tokens_per_frame, width)
            self.nothing = torch.nn.Parameter(torch.zeros(width))
        else:
            self.map_channels = latent_channels if injection == "addition" else map_channels
            self.norm = torch.nn.LayerNorm(dim)
            self.project = torch.nn.Linear(dim, self.map_channels * latent_bins)
            self.nothing = torch.nn.Parameter(torch.zeros(self.map_channels, latent_bins))

    @property
    def extra_channels(self) -> int:
        """Number of channels that are added to the denoiser's input."""
        return self.map_channels if self.injection == "concatenation" else 0

    def forward(
        self, features: torch.Tensor, num_frames: int, kept: torch.Tensor | None = None
    ) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        """Project features to tokens or to a map.

        Args:
            features: ``(batch, frame, dim)``, which span the duration of the latent.
            num_frames: number of frames of the latent.
            kept: ``(batch,)`` bool; False: use the placeholder; None: keep all features.

        Returns:
            ``(tokens (batch, token, width) or None, map (batch, channel, bin, num_frames) or None)``.
        """
        kept = torch.ones(len(features), dtype=torch.bool, device=features.device) if kept is None else kept
        if self.injection == "cross_attention":
            tokens = features.unflatten(2, (self.tokens_per_frame, -1)).flatten(1, 2)
            tokens = self.project(self.norm(tokens))
            tokens = torch.where(kept[:, None, None], tokens, self.nothing)
            return tokens + _positions(tokens), None
        values = self.project(self.norm(features)).transpose(1, 2)
        values = F.interpolate(values, size=num_frames, mode="linear", align_corners=False)
        values = values.unflatten(1, (self.map_channels, self.latent_bins))
        return None, torch.where(kept[:, None, None, None], values, self.nothing[..., None])

    def draw_kept(self, batch: int, device) -> torch.Tensor:
        """Draw the items whose features are kept in a training step, ``(batch,)`` bool."""
        return torch.rand(batch, device=device) >= self.dropout


def denoiser_input(
    guidance: Guidance | None,
    latent: torch.Tensor,
    noisy: torch.Tensor,
    features: torch.Tensor | None,
    kept: torch.Tensor | None,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return the denoiser's input ``(batch, channel, bin, frame)`` and the tokens, or None if there are none.

    The input consists of the noised and the noisy latent, and the map of the guidance.

    Args:
        guidance: the projection; None: no guidance.
        latent, noisy: ``(batch, channel, bin, frame)``.
        features, kept: see :meth:`Guidance.forward`.
    """
    if guidance is None:
        return torch.cat([latent, noisy], 1), None
    tokens, guiding = guidance(features, latent.shape[-1], kept)
    if guidance.injection == "addition":
        return torch.cat([latent, noisy + guiding], 1), tokens
    return torch.cat([latent, noisy] if guiding is None else [latent, noisy, guiding], 1), tokens


def _positions(tokens: torch.Tensor) -> torch.Tensor:
    """Return positional encodings ``(token, width)``, because a codec's embeddings contain no position."""
    number, width = tokens.shape[1:]
    place = torch.arange(number, device=tokens.device, dtype=tokens.dtype)[:, None]
    rate = torch.exp(torch.arange(0, width, 2, device=tokens.device, dtype=tokens.dtype) * (-math.log(1e4) / width))
    return torch.stack([(place * rate).sin(), (place * rate).cos()], 2).flatten(1)[:, :width]
