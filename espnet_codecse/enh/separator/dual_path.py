"""Recurrence along time and along frequency in turn, for codecs whose channels lie in order of frequency."""

from typing import Optional

import torch
from torch.nn import functional as F

from espnet_codecse.enh.separator.ordered_channels import NUM_FEATURES, OrderedChannelsSeparator, cleared, recur


class DualPathBlock(torch.nn.Module):
    """One LSTM over the bands of each frame, one over the frames of each band, both bidirectional and residual.

    LSTMs, not GRUs: processors have fused kernels for them, which are two to four times faster in bfloat16.
    """

    def __init__(self, num_planes: int, hidden_size: int):
        super().__init__()

        def path() -> torch.nn.ModuleList:
            return torch.nn.ModuleList([
                torch.nn.LayerNorm(num_planes),
                torch.nn.LSTM(num_planes, hidden_size, batch_first=True, bidirectional=True),
                torch.nn.Linear(2 * hidden_size, num_planes),
            ])  # fmt: skip

        self.along_bands, self.along_frames = path(), path()

    def forward(self, features: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Map ``(batch, frame, band, plane)`` to its own shape; ``lengths (batch,)`` frames of each are valid."""
        batch, num_frames, num_bands, num_planes = features.shape
        norm, network, project = self.along_bands
        within_frames = network(norm(features).flatten(0, 1))[0]
        features = features + project(within_frames).unflatten(0, (batch, num_frames))
        norm, network, project = self.along_frames
        within_bands = norm(features).transpose(1, 2).flatten(0, 1)
        within_bands = project(recur(network, within_bands, lengths.repeat_interleave(num_bands)))
        return features + within_bands.unflatten(0, (batch, num_bands)).transpose(1, 2)


class EmbeddingDualPathSeparator(OrderedChannelsSeparator):
    """Bands of neighbouring channels, dual-path recurrence over frames and bands, and back to channels.

    The idea is that of band-split and time-frequency dual-path networks (Luo and Yu, 2209.15174; Wang et al.,
    2211.12433), with one set of weights for all bands: few weights, which an hour of speech suffices for, and a memory
    over the whole recording in every band, which keeps speakers apart.

    Args:
        input_dim: channels of the embedding.
        num_spk: estimates.
        num_planes: features of a band in a frame.
        hidden_size: of each direction of the LSTMs.
        num_blocks: pairs of an LSTM along bands and one along frames.
        band_channels: channels of a band; neighbours overlap by as many again. Even.
        num_low_channels: see :class:`OrderedChannelsSeparator`.

    Raises:
        ValueError: the channels are no multiple of ``band_channels``, which is odd, or the embedding has not as many.
    """

    def __init__(
        self,
        input_dim: int,
        num_spk: int = 1,
        num_planes: int = 32,
        hidden_size: int = 48,
        num_blocks: int = 4,
        band_channels: int = 8,
        num_low_channels: Optional[int] = None,
    ):
        super().__init__(input_dim, num_spk, num_low_channels)
        if self.num_channels % band_channels or band_channels % 2:
            raise ValueError(
                f"an embedding of {self.num_channels} channels cannot be cut into bands of {band_channels}, "
                "an even number; use the separator nac_se with this codec"
            )
        shape = {"kernel_size": (3, 2 * band_channels), "stride": (1, band_channels), "padding": (1, band_channels // 2)}
        self.to_bands = torch.nn.Conv2d(NUM_FEATURES, num_planes, **shape)
        self.position = torch.nn.Parameter(torch.zeros(self.num_channels // band_channels, num_planes))
        self.blocks = torch.nn.ModuleList(DualPathBlock(num_planes, hidden_size) for _ in range(num_blocks))
        self.norm = torch.nn.LayerNorm(num_planes)
        self.to_channels = torch.nn.ConvTranspose2d(num_planes, num_planes // 2, **shape)
        self._make_head(num_planes // 2)

    def _planes(self, features: torch.Tensor, lengths: torch.Tensor, clear: Optional[torch.Tensor]) -> torch.Tensor:
        hidden = self.to_bands(features).permute(0, 2, 3, 1) + self.position
        for block in self.blocks:
            hidden = block(hidden, lengths)
        hidden = cleared(self.norm(hidden).permute(0, 3, 1, 2), clear)
        return cleared(F.elu(self.to_channels(hidden)), clear)
