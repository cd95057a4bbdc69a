"""A dual-path network with recurrence along time and frequency, for codecs with channels ordered by frequency."""

import torch
from torch.nn import functional as F

from espnet_codecse.codec.mdct.layers import zero_initialised
from espnet_codecse.enh.separator.ordered_channels import NUM_FEATURES, OrderedChannelsSeparator, Padding, cleared
from espnet_codecse.length_mask import on_device
from espnet_codecse.precision import LSTM


class BidirectionalLSTM(torch.nn.Module):
    """A forward LSTM and a backward LSTM, which starts at the end of each sequence.

    The result is that of a bidirectional LSTM on packed sequences. Padded sequences have fused kernels and are several
    times faster, especially in bfloat16.
    """

    def __init__(self, input_size: int, hidden_size: int):
        super().__init__()
        self.forwards = LSTM(input_size, hidden_size, batch_first=True)
        self.backwards = LSTM(input_size, hidden_size, batch_first=True)

    def forward(self, features: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        """Map ``(batch, time, input)`` to ``(batch, time, 2 * hidden)``; without ``lengths (batch,)``, all is valid."""
        before = self.forwards(features)[0]
        after = _reversed(self.backwards(_reversed(features, lengths))[0], lengths)
        return torch.cat([before, after], dim=2)


def _reversed(features: torch.Tensor, lengths: torch.Tensor | None) -> torch.Tensor:
    """Return ``(batch, time, width)`` with the valid part of each sequence reversed."""
    if lengths is None:
        return features.flip(1)
    positions = torch.arange(features.shape[1], device=features.device)[None]
    lengths = on_device(lengths, features.device)[:, None]
    index = torch.where(positions < lengths, lengths - 1 - positions, positions)
    return features[torch.arange(len(features), device=features.device)[:, None], index]


class DualPathBlock(torch.nn.Module):
    """An LSTM over the bands of each frame and one over the frames of each band; both are bidirectional and residual.

    Args:
        num_planes: number of features per band and frame.
        hidden_size: size of each direction of the LSTMs.
        starts_as_identity: start as the identity, so that the block can be inserted into a trained network.
    """

    def __init__(self, num_planes: int, hidden_size: int, starts_as_identity: bool = False):
        super().__init__()

        def path() -> torch.nn.ModuleList:
            project = torch.nn.Linear(2 * hidden_size, num_planes)
            return torch.nn.ModuleList([
                torch.nn.LayerNorm(num_planes),
                BidirectionalLSTM(num_planes, hidden_size),
                zero_initialised(project) if starts_as_identity else project,
            ])  # fmt: skip

        self.along_bands, self.along_frames = path(), path()

    def forward(self, features: torch.Tensor, padding: Padding | None) -> torch.Tensor:
        """Map ``(batch, frame, band, plane)`` to the same shape; ``padding`` is None if there is none."""
        batch, _, num_bands, _ = features.shape
        norm, network, project = self.along_bands
        within_frames = project(network(norm(features).flatten(0, 1)))
        features = features + within_frames.unflatten(0, (batch, -1))
        norm, network, project = self.along_frames
        lengths = None if padding is None else padding.lengths.repeat_interleave(num_bands)
        within_bands = project(network(norm(features).transpose(1, 2).flatten(0, 1), lengths))
        return features + within_bands.unflatten(0, (batch, num_bands)).transpose(1, 2)


class EmbeddingDualPathSeparator(OrderedChannelsSeparator):
    """Split the channels into bands, apply dual-path recurrence over frames and bands, and merge the bands.

    The network follows band-split and time-frequency dual-path networks (Luo and Yu, 2209.15174; Wang et al.,
    2211.12433), with one set of weights for all bands. It has few weights, for which an hour of speech suffices, and
    every band has a memory over the whole recording, which keeps speakers apart.

    Args:
        input_dim: number of channels of the embedding.
        num_spk: number of speakers.
        num_planes: number of features per band and frame.
        hidden_size: size of each direction of the LSTMs.
        num_blocks: number of pairs of an LSTM along bands and one along frames.
        band_channels: even number of channels per band; each band also covers half of both neighbours.
        num_low_channels: see :class:`OrderedChannelsSeparator`.

    Raises:
        ValueError: ``band_channels`` is odd, the number of channels is not a multiple of it, or the embedding has fewer
            than ``num_low_channels``.
    """

    def __init__(
        self,
        input_dim: int,
        num_spk: int = 1,
        num_planes: int = 32,
        hidden_size: int = 48,
        num_blocks: int = 4,
        band_channels: int = 8,
        num_low_channels: int | None = None,
    ):
        super().__init__(input_dim, num_spk, num_low_channels)
        if self.num_channels % band_channels or band_channels % 2:
            raise ValueError(
                f"an embedding of {self.num_channels} channels cannot be cut into bands of {band_channels}, "
                "an even number; use the separator nac_se with this codec"
            )
        shape = {
            "kernel_size": (3, 2 * band_channels),
            "stride": (1, band_channels),
            "padding": (1, band_channels // 2),
        }
        self.to_bands = torch.nn.Conv2d(NUM_FEATURES, num_planes, **shape)
        self.position = torch.nn.Parameter(torch.zeros(self.num_channels // band_channels, num_planes))
        self.blocks = torch.nn.ModuleList(DualPathBlock(num_planes, hidden_size) for _ in range(num_blocks))
        self.norm = torch.nn.LayerNorm(num_planes)
        self.to_channels = torch.nn.ConvTranspose2d(num_planes, num_planes // 2, **shape)
        self._make_head(num_planes // 2)

    def _planes(self, features: torch.Tensor, padding: Padding | None) -> torch.Tensor:
        hidden = self.to_bands(features).permute(0, 2, 3, 1) + self.position
        for block in self.blocks:
            hidden = block(hidden, padding)
        hidden = cleared(self.norm(hidden).permute(0, 3, 1, 2), padding)
        return cleared(F.elu(self.to_channels(hidden)), padding)
