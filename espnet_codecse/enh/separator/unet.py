"""A small U-Net on the embedding as an image, for codecs whose channels lie in order of frequency."""

import math
from collections import OrderedDict
from typing import Dict, List, Optional, Sequence, Tuple

import torch
from espnet2.enh.separator.abs_separator import AbsSeparator
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from espnet_codecse.codec.hybrid.layers import Refiner
from espnet_codecse.enh.normalization import EmbeddingNormalization

NUM_FEATURES = 3  # planes of :func:`local_features`


def local_features(embedding: torch.Tensor, frame_mask: torch.Tensor) -> torch.Tensor:
    """Return three views of an embedding of unit scale ``(batch, frame, channel)`` as ``(batch, 3, frame, channel)``.

    The square root of the values with their sign; the logarithm of their energy, smoothed over 3 x 3 neighbours,
    since a real transform's values change their sign from frame to frame and only neighbours tell their energy; and
    the same less its mean over the recording, which shows what stands out of a steady noise.

    Args:
        embedding: zero where ``frame_mask (batch, frame, 1)`` is.
        frame_mask: 1 for frames of the recording, 0 for padding.
    """
    root = embedding.sign() * ((embedding.abs() + 1e-3).sqrt() - 1e-3**0.5)
    # The padding must not count as silent neighbours: an utterance gives the same alone and in a batch. How many of the
    # neighbours are real is a product of frames and channels.
    num_frames = F.avg_pool1d(frame_mask.transpose(1, 2), 3, 1, 1).transpose(1, 2)
    num_channels = F.avg_pool1d(torch.ones_like(embedding[:1, :1]), 3, 1, 1)
    energy = F.avg_pool2d(embedding.square(), 3, 1, 1) / (num_frames * num_channels).clamp(min=1e-3)
    level = (0.3 * (energy + 1e-4).log() + 0.5) * frame_mask
    mean = level.sum(1, keepdim=True) / frame_mask.sum(1, keepdim=True).clamp(min=1)
    return torch.stack([root, level, (level - mean) * frame_mask], dim=1)


def _cleared(features: torch.Tensor, frame_mask: Optional[torch.Tensor]) -> torch.Tensor:
    """Set padding to zero: what a convolution leaves in it must not come back through the next one.

    Args:
        features: of any shape that ``frame_mask`` broadcasts with.
        frame_mask: 1 for frames of the recording, 0 for padding; None: there is no padding.
    """
    return features if frame_mask is None else features * frame_mask.to(features.dtype)


class EmbeddingUNetSeparator(AbsSeparator):
    """Convolutions over frame and channel down to a bottleneck, recurrence over time, and back; gate plus offset.

    Weights are shared along the channels, so that an hour of speech suffices: it needs a codec whose channels lie in
    order of frequency, as the small codec's, whose embedding is a lapped transform. The estimate is ``gate * mixture +
    offset``: the gate starts near one and the offset at zero, so that speech passes before anything is learned; the
    offset restores what no mask can, values that are small by accident.

    Args:
        input_dim: channels of the embedding, a multiple of 2 to the number of levels.
        num_spk: estimates.
        channels: planes of each level, from the embedding inwards.
        width: features a frame in the bottleneck.
        num_conv_blocks: ConvNeXt-style blocks over 7 frames in the bottleneck.
        num_layers: bidirectional recurrent layers after them, added to their input.

    Raises:
        ValueError: ``input_dim`` cannot be halved that often.
    """

    def __init__(
        self,
        input_dim: int,
        num_spk: int = 1,
        channels: Sequence[int] = (16, 24, 24),
        width: int = 256,
        num_conv_blocks: int = 2,
        num_layers: int = 2,
    ):
        super().__init__()
        if input_dim % 2 ** len(channels):
            raise ValueError(
                f"an embedding of {input_dim} channels cannot be halved {len(channels)} times; "
                "use the separator nac_se with this codec"
            )
        self._num_spk = num_spk
        self.normalization = EmbeddingNormalization(input_dim, "utterance")
        planes = [NUM_FEATURES, *channels]
        self.down = torch.nn.ModuleList(
            torch.nn.Conv2d(inner, outer, (3, 5), (1, 2), (1, 2)) for inner, outer in zip(planes, planes[1:])
        )
        self.up = torch.nn.ModuleList(
            torch.nn.ConvTranspose2d(2 * outer, inner, (3, 6), (1, 2), (1, 2))
            for inner, outer in zip([channels[0], *channels[:-1]][::-1], channels[::-1])
        )
        bottleneck = channels[-1] * input_dim // 2 ** len(channels)
        self.bottleneck_in, self.bottleneck_out = torch.nn.Linear(bottleneck, width), torch.nn.Linear(width, bottleneck)
        self.conv_blocks = torch.nn.ModuleList(Refiner(width, 3 * width) for _ in range(num_conv_blocks))
        self.recurrent = torch.nn.GRU(width, width // 2, num_layers, batch_first=True, bidirectional=True)
        self.head = torch.nn.Conv2d(channels[0] + NUM_FEATURES, 2 * num_spk, 3, padding=1)
        with torch.no_grad():
            # Gates of 0.88 for one speaker; of several each has its share, and must differ for an order to be found.
            self.head.weight *= 0.0 if num_spk == 1 else 0.1
            self.head.bias.zero_()
            self.head.bias[:num_spk] = 2.0 if num_spk == 1 else -math.log(num_spk - 1)
        # With few planes, processors convolve faster where a point's planes lie side by side.
        self.to(memory_format=torch.channels_last)

    @property
    def num_spk(self) -> int:
        """Number of estimates."""
        return self._num_spk

    def forward(
        self, input: torch.Tensor, ilens: torch.Tensor, additional: Optional[Dict] = None
    ) -> Tuple[List[torch.Tensor], torch.Tensor, "OrderedDict[str, torch.Tensor]"]:
        """Enhance.

        Args:
            input: mixture embedding ``(batch, frame, channel)``.
            ilens: ``(batch,)`` frames.
            additional: unused.

        Returns:
            ``([estimate (batch, frame, channel)] a speaker, ilens, {"mask_spk1": ...})``.
        """
        positions = torch.arange(input.shape[1], device=input.device)[None]
        frame_mask = (positions < ilens.to(input.device)[:, None]).unsqueeze(-1).to(input.dtype)
        normalized, scale = self.normalization(input * frame_mask, ilens)
        features = local_features(normalized, frame_mask).contiguous(memory_format=torch.channels_last)
        # Without padding there is nothing to clear, which a tenth of the time would go to.
        clear = None if bool((ilens == input.shape[1]).all()) else frame_mask.unsqueeze(1)
        skips, hidden = [], features
        for layer in self.down:
            hidden = _cleared(F.elu(layer(hidden), inplace=True), clear)
            skips.append(hidden)
        hidden = self._bottleneck(hidden, ilens, clear)
        for layer, skip in zip(self.up, reversed(skips)):
            hidden = _cleared(F.elu(layer(torch.cat([hidden, skip], dim=1)), inplace=True), clear)
        output = _cleared(self.head(torch.cat([hidden, features], dim=1)).float(), clear)
        masks = output[:, : self._num_spk].sigmoid().unbind(1)
        offsets = output[:, self._num_spk :].unbind(1)
        # In units of the embedding: the level that was taken out of the features is put back.
        estimates = [input * mask + scale * offset for mask, offset in zip(masks, offsets)]
        others = OrderedDict((f"mask_spk{index + 1}", mask) for index, mask in enumerate(masks))
        return estimates, ilens, others

    def _bottleneck(
        self, planes: torch.Tensor, lengths: torch.Tensor, clear: Optional[torch.Tensor]
    ) -> torch.Tensor:
        """Map ``(batch, plane, frame, channel)`` to its own shape, over time; ``clear`` is ``(batch, 1, frame, 1)``."""
        batch, num_planes, num_frames, num_channels = planes.shape
        features = self.bottleneck_in(planes.transpose(1, 2).flatten(2)).transpose(1, 2)
        clear_frames = None if clear is None else clear.squeeze(-1)
        features = _cleared(features, clear_frames)
        for block in self.conv_blocks:
            features = _cleared(block(features), clear_frames)
        features = features.transpose(1, 2)
        features = self.bottleneck_out(features + self._recur(features, lengths))
        features = _cleared(features, None if clear is None else clear.squeeze(1))
        return features.reshape(batch, num_frames, num_planes, num_channels).transpose(1, 2)

    def _recur(self, features: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Run the recurrent layers over ``(batch, frame, width)``; the backward direction starts at each length."""
        if bool((lengths == features.shape[1]).all()):
            return self.recurrent(features)[0]
        packed = pack_padded_sequence(features, lengths.cpu(), batch_first=True, enforce_sorted=False)
        return pad_packed_sequence(self.recurrent(packed)[0], batch_first=True, total_length=features.shape[1])[0]
