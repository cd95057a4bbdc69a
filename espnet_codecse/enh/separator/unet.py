"""A small U-Net that processes the embedding as an image, for codecs with channels ordered by frequency."""

import itertools
from collections.abc import Sequence

import torch
from torch.nn import functional as F

from espnet_codecse.codec.mdct.layers import Refiner
from espnet_codecse.enh.separator.dual_path import BidirectionalLSTM, DualPathBlock
from espnet_codecse.enh.separator.ordered_channels import NUM_FEATURES, OrderedChannelsSeparator, Padding, cleared


class EmbeddingUNetSeparator(OrderedChannelsSeparator):
    """A U-Net over frames and channels with recurrence over time in the bottleneck; it estimates gate and offset.

    Weights are shared along the channels, so that an hour of speech suffices. This requires a codec whose channels are
    ordered by frequency, such as the small codec, whose embedding is a lapped transform.

    Args:
        input_dim: number of channels of the embedding, a multiple of 2 to the power of the number of levels.
        num_spk: number of speakers.
        channels: number of planes per level, from the outermost to the innermost.
        width: number of features per frame in the bottleneck.
        num_conv_blocks: number of ConvNeXt-style blocks over 7 frames in the bottleneck.
        num_layers: number of residual bidirectional LSTMs after these blocks.
        num_dual_path_blocks: number of dual-path blocks at the innermost level, before the bottleneck. With one set of
            weights for all bands, they learn what holds for any noise. The bottleneck sees all bands at once and tends
            to learn the spectra of the training noises.
        dual_path_hidden_size: size of each direction of the LSTMs in these blocks.
        filter_size: odd numbers of frames and channels of the mixture's embedding that are filtered to one value of the
            estimate; None: no filter is added to gate and offset.
        num_low_channels: see :class:`OrderedChannelsSeparator`.

    Raises:
        ValueError: the channels cannot be halved that often, the embedding has fewer, or a filter size is even.
    """

    def __init__(
        self,
        input_dim: int,
        num_spk: int = 1,
        channels: Sequence[int] = (16, 24, 24),
        width: int = 256,
        num_conv_blocks: int = 2,
        num_layers: int = 2,
        num_dual_path_blocks: int = 0,
        dual_path_hidden_size: int = 32,
        filter_size: Sequence[int] | None = None,
        num_low_channels: int | None = None,
    ):
        super().__init__(input_dim, num_spk, num_low_channels)
        if self.num_channels % 2 ** len(channels):
            raise ValueError(
                f"an embedding of {self.num_channels} channels cannot be halved {len(channels)} times; "
                "use the separator nac_se with this codec"
            )
        planes = [NUM_FEATURES, *channels]
        self.down = torch.nn.ModuleList(
            torch.nn.Conv2d(inner, outer, (3, 5), (1, 2), (1, 2)) for inner, outer in itertools.pairwise(planes)
        )
        self.up = torch.nn.ModuleList(
            torch.nn.ConvTranspose2d(2 * outer, inner, (3, 6), (1, 2), (1, 2))
            for inner, outer in zip([channels[0], *channels[:-1]][::-1], channels[::-1])
        )
        self.dual_path = torch.nn.ModuleList(
            DualPathBlock(channels[-1], dual_path_hidden_size, starts_as_identity=True)
            for _ in range(num_dual_path_blocks)
        )
        bottleneck = channels[-1] * self.num_channels // 2 ** len(channels)
        self.bottleneck_in, self.bottleneck_out = torch.nn.Linear(bottleneck, width), torch.nn.Linear(width, bottleneck)
        self.conv_blocks = torch.nn.ModuleList(Refiner(width, 3 * width) for _ in range(num_conv_blocks))
        self.recurrent = torch.nn.ModuleList(BidirectionalLSTM(width, width // 2) for _ in range(num_layers))
        self._make_head(channels[0], filter_size)

    def _planes(self, features: torch.Tensor, padding: Padding | None) -> torch.Tensor:
        skips, hidden = [], features
        for layer in self.down:
            hidden = cleared(F.elu(layer(hidden), inplace=True), padding)
            skips.append(hidden)
        if self.dual_path:
            hidden = skips[-1] = self._along_bands_and_frames(hidden, padding)
        hidden = self._bottleneck(hidden, padding)
        for layer, skip in zip(self.up, reversed(skips)):
            hidden = cleared(F.elu(layer(torch.cat([hidden, skip], dim=1)), inplace=True), padding)
        return hidden

    def _along_bands_and_frames(self, planes: torch.Tensor, padding: Padding | None) -> torch.Tensor:
        """Map ``(batch, plane, frame, band)`` to the same shape."""
        bands = planes.permute(0, 2, 3, 1)
        for block in self.dual_path:
            bands = block(bands, padding)
        return cleared(bands.permute(0, 3, 1, 2), padding)

    def _bottleneck(self, planes: torch.Tensor, padding: Padding | None) -> torch.Tensor:
        """Map ``(batch, plane, frame, band)`` to the same shape, with recurrence over time."""
        batch, num_planes, num_frames, num_bands = planes.shape
        features = cleared(self.bottleneck_in(planes.transpose(1, 2).flatten(2)).transpose(1, 2), padding)
        for block in self.conv_blocks:
            features = cleared(block(features), padding)
        features = recalled = features.transpose(1, 2)
        for layer in self.recurrent:
            recalled = layer(recalled, None if padding is None else padding.lengths)
        features = self.bottleneck_out(features + recalled)
        return cleared(features.reshape(batch, num_frames, num_planes, num_bands).transpose(1, 2), padding)
