"""A small U-Net on the embedding as an image, for codecs whose channels lie in order of frequency."""

from typing import Optional, Sequence

import torch
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from espnet_codecse.codec.hybrid.layers import Refiner
from espnet_codecse.enh.separator.ordered_channels import NUM_FEATURES, OrderedChannelsSeparator, cleared


class EmbeddingUNetSeparator(OrderedChannelsSeparator):
    """Convolutions over frame and channel down to a bottleneck, recurrence over time, and back; gate plus offset.

    Weights are shared along the channels, so that an hour of speech suffices: it needs a codec whose channels lie in
    order of frequency, as the small codec's, whose embedding is a lapped transform.

    Args:
        input_dim: channels of the embedding, a multiple of 2 to the number of levels.
        num_spk: estimates.
        channels: planes of each level, from the embedding inwards.
        width: features a frame in the bottleneck.
        num_conv_blocks: ConvNeXt-style blocks over 7 frames in the bottleneck.
        num_layers: bidirectional recurrent layers after them, added to their input.
        num_low_channels: see :class:`OrderedChannelsSeparator`.

    Raises:
        ValueError: the channels cannot be halved that often, or the embedding has not as many.
    """

    def __init__(
        self,
        input_dim: int,
        num_spk: int = 1,
        channels: Sequence[int] = (16, 24, 24),
        width: int = 256,
        num_conv_blocks: int = 2,
        num_layers: int = 2,
        num_low_channels: Optional[int] = None,
    ):
        super().__init__(input_dim, num_spk, num_low_channels)
        if self.num_channels % 2 ** len(channels):
            raise ValueError(
                f"an embedding of {self.num_channels} channels cannot be halved {len(channels)} times; "
                "use the separator nac_se with this codec"
            )
        planes = [NUM_FEATURES, *channels]
        self.down = torch.nn.ModuleList(
            torch.nn.Conv2d(inner, outer, (3, 5), (1, 2), (1, 2)) for inner, outer in zip(planes, planes[1:])
        )
        self.up = torch.nn.ModuleList(
            torch.nn.ConvTranspose2d(2 * outer, inner, (3, 6), (1, 2), (1, 2))
            for inner, outer in zip([channels[0], *channels[:-1]][::-1], channels[::-1])
        )
        bottleneck = channels[-1] * self.num_channels // 2 ** len(channels)
        self.bottleneck_in, self.bottleneck_out = torch.nn.Linear(bottleneck, width), torch.nn.Linear(width, bottleneck)
        self.conv_blocks = torch.nn.ModuleList(Refiner(width, 3 * width) for _ in range(num_conv_blocks))
        self.recurrent = torch.nn.GRU(width, width // 2, num_layers, batch_first=True, bidirectional=True)
        self._make_head(channels[0])

    def _planes(self, features: torch.Tensor, lengths: torch.Tensor, clear: Optional[torch.Tensor]) -> torch.Tensor:
        skips, hidden = [], features
        for layer in self.down:
            hidden = cleared(F.elu(layer(hidden), inplace=True), clear)
            skips.append(hidden)
        hidden = self._bottleneck(hidden, lengths, clear)
        for layer, skip in zip(self.up, reversed(skips)):
            hidden = cleared(F.elu(layer(torch.cat([hidden, skip], dim=1)), inplace=True), clear)
        return hidden

    def _bottleneck(
        self, planes: torch.Tensor, lengths: torch.Tensor, clear: Optional[torch.Tensor]
    ) -> torch.Tensor:
        """Map ``(batch, plane, frame, channel)`` to its own shape, over time; ``clear`` is ``(batch, 1, frame, 1)``."""
        batch, num_planes, num_frames, num_channels = planes.shape
        features = self.bottleneck_in(planes.transpose(1, 2).flatten(2)).transpose(1, 2)
        clear_frames = None if clear is None else clear.squeeze(-1)
        features = cleared(features, clear_frames)
        for block in self.conv_blocks:
            features = cleared(block(features), clear_frames)
        features = features.transpose(1, 2)
        features = self.bottleneck_out(features + self._recur(features, lengths))
        features = cleared(features, None if clear is None else clear.squeeze(1))
        return features.reshape(batch, num_frames, num_planes, num_channels).transpose(1, 2)

    def _recur(self, features: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Run the recurrent layers over ``(batch, frame, width)``; the backward direction starts at each length."""
        if bool((lengths == features.shape[1]).all()):
            return self.recurrent(features)[0]
        packed = pack_padded_sequence(features, lengths.cpu(), batch_first=True, enforce_sorted=False)
        return pad_packed_sequence(self.recurrent(packed)[0], batch_first=True, total_length=features.shape[1])[0]
