"""Base of separators that process an embedding as an image; the codec's channels must be ordered by frequency."""

import math
from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch.nn import functional as F

from espnet_codecse.codec.mdct.layers import zero_initialised
from espnet_codecse.enh.separator.normalization import EmbeddingNormalization
from espnet_codecse.espnet_base import AbsSeparator
from espnet_codecse.length_mask import has_padding, length_mask

NUM_FEATURES = 3  # planes of :func:`local_features`
FILTER_SCALE = 0.1  # many weights without a sigmoid contribute to each value; without scaling, training was noisy


def local_features(embedding: torch.Tensor, frame_mask: torch.Tensor) -> torch.Tensor:
    """Return three features of an embedding ``(batch, frame, channel)`` as ``(batch, 3, frame, channel)``.

    The first is the signed square root of the values. The second is the logarithm of the energy, smoothed over 3 x 3
    neighbours: the values of a real transform change their sign from frame to frame, so that the energy is visible only
    in a neighbourhood. The third is the second without its mean over the recording; it shows what stands out from a
    stationary noise.

    Args:
        embedding: embedding of unit scale, zero in the padding.
        frame_mask: ``(batch, frame, 1)``, 1 for frames of the recording, 0 for padding.
    """
    root = embedding.sign() * ((embedding.abs() + 1e-3).sqrt() - 1e-3**0.5)
    # Padding must not count as silent neighbours, so that an utterance gives the same result alone and in a batch. The
    # number of valid neighbours is that of the valid frames times that of the valid channels.
    num_frames = F.avg_pool1d(frame_mask.transpose(1, 2), 3, 1, 1).transpose(1, 2)
    num_channels = F.avg_pool1d(torch.ones_like(embedding[:1, :1]), 3, 1, 1)
    energy = F.avg_pool2d(embedding.square(), 3, 1, 1) / (num_frames * num_channels).clamp(min=1e-3)
    level = (0.3 * (energy + 1e-4).log() + 0.5) * frame_mask
    mean = level.sum(1, keepdim=True) / frame_mask.sum(1, keepdim=True).clamp(min=1)
    return torch.stack([root, level, (level - mean) * frame_mask], dim=1)


class Padding(NamedTuple):
    """Padding of a batch whose recordings differ in length.

    Attributes:
        lengths: ``(batch,)`` frames.
        frame_mask: ``(batch, 1, frame)``, 1 for frames of the recordings, 0 for padding.
        num_full: number of leading frames that are valid in all recordings; 0 where it is not used.
    """

    lengths: torch.Tensor
    frame_mask: torch.Tensor
    num_full: int


def cleared(features: torch.Tensor, padding: Padding | None) -> torch.Tensor:
    """Set padding to zero, so that values that a convolution leaves there do not leak through the next one.

    Args:
        features: ``(batch, plane, frame, ...)``; overwritten if no gradient is needed.
        padding: padding of the batch; None: there is none.
    """
    if padding is None:
        return features
    frame_mask = padding.frame_mask.to(features.dtype)
    frame_mask = frame_mask.reshape(frame_mask.shape + (1,) * (features.dim() - 3))
    if torch.is_grad_enabled():
        return features * frame_mask
    # Recordings of a batch have similar lengths, and padding begins only after the shortest.
    features[:, :, padding.num_full :] *= frame_mask[:, :, padding.num_full :]
    return features


class OrderedChannelsSeparator(AbsSeparator):
    """Estimate a gate and an offset per speaker from planes that a subclass computes from local features.

    The estimate is ``gate * mixture + offset``. For one speaker, the gate starts near one and the offset at zero, so
    that an untrained network passes speech. The offset restores what no mask can: values that happen to be small in the
    mixture. Optionally, the network adds a filter over neighbouring frames and channels of the mixture, and estimates
    its weights for every value (deep filtering, Mack and Habets, 1904.08369; here for a real transform).

    Args:
        input_dim: number of channels of the embedding.
        num_spk: number of speakers.
        num_low_channels: number of channels to process, from the lowest; estimates are zero in the others. Use it for
            data with less bandwidth than the codec, such as 8 kHz data. None: all.

    Raises:
        ValueError: the embedding has fewer channels.
    """

    def __init__(self, input_dim: int, num_spk: int, num_low_channels: int | None):
        super().__init__()
        if num_low_channels is not None and num_low_channels > input_dim:
            raise ValueError(f"num_low_channels {num_low_channels}: the embedding has {input_dim}")
        self._num_spk = num_spk
        self.num_channels = input_dim if num_low_channels is None else num_low_channels
        self.normalization = EmbeddingNormalization(self.num_channels, "utterance")

    def _make_head(self, num_planes: int, filter_size: Sequence[int] | None = None) -> None:
        """Build the output layer; a subclass calls this after it has built its own layers.

        Args:
            num_planes: number of planes that the subclass computes.
            filter_size: number of frames and of channels that the filter spans; None: there is no filter.

        Raises:
            ValueError: a filter size is not odd or not positive.
        """
        self.head = torch.nn.Conv2d(num_planes + NUM_FEATURES, 2 * self._num_spk, 3, padding=1)
        with torch.no_grad():
            # For one speaker, gates start at 0.88. Several speakers start with nearly equal shares; the differences are
            # needed to find their order.
            self.head.weight *= 0.0 if self._num_spk == 1 else 0.1
            self.head.bias.zero_()
            self.head.bias[: self._num_spk] = 2.0 if self._num_spk == 1 else -math.log(self._num_spk - 1)
        self.filter_size, self.filter = filter_size, None
        if filter_size is not None:
            if any(size % 2 == 0 or size < 0 for size in filter_size):
                raise ValueError(f"filter_size {tuple(filter_size)}: odd numbers of frames and channels have a middle")
            num_weights = self._num_spk * math.prod(filter_size)
            self.filter = zero_initialised(torch.nn.Conv2d(num_planes + NUM_FEATURES, num_weights, 3, padding=1))
        # With few planes, convolutions are faster on a CPU if the planes are the innermost dimension.
        self.to(memory_format=torch.channels_last)

    @property
    def num_spk(self) -> int:
        """Number of speakers."""
        return self._num_spk

    @abstractmethod
    def _planes(self, features: torch.Tensor, padding: Padding | None) -> torch.Tensor:
        """Return ``(batch, plane, frame, channel)``, zero in the padding.

        Args:
            features: ``(batch, 3, frame, channel)`` of :func:`local_features`.
            padding: padding of the batch, for :func:`cleared`.
        """

    def forward(
        self, input: torch.Tensor, ilens: torch.Tensor, additional: dict | None = None
    ) -> tuple[list[torch.Tensor], torch.Tensor, "OrderedDict[str, torch.Tensor]"]:
        """Return one estimate per speaker.

        Args:
            input: mixture embedding ``(batch, frame, channel)``.
            ilens: ``(batch,)`` frames.
            additional: unused.

        Returns:
            ``(estimates, ilens, {"mask_spk1": ...})``; estimates and masks are ``(batch, frame, channel)``, one per
            speaker.
        """
        unused = (0, input.shape[-1] - self.num_channels)
        input = input[..., : self.num_channels]
        frame_mask = length_mask(ilens, input.shape[1], input.device).unsqueeze(-1).to(input.dtype)
        input = input * frame_mask
        normalized, scale = self.normalization(input, ilens)
        features = local_features(normalized, frame_mask).contiguous(memory_format=torch.channels_last)
        # Clearing takes a tenth of the time, and is not needed without padding.
        padding = None
        if has_padding(ilens, input.shape[1]):
            used = not (torch.is_grad_enabled() or torch.compiler.is_compiling())
            num_full = int(ilens.min()) if used else 0
            padding = Padding(ilens, frame_mask.transpose(1, 2), num_full)
        planes = self._planes(features, padding)
        # Cast the features to the type of the planes. Float32 features would convert all planes to float32, and back
        # for the convolutions.
        planes = torch.cat([planes, features.to(planes.dtype)], dim=1)
        output = cleared(self.head(planes).float(), padding)
        masks = output[:, : self._num_spk].sigmoid().unbind(1)
        offsets = output[:, self._num_spk :].unbind(1)
        # The scale that was removed from the features is restored here.
        estimates = [input * mask + scale * offset for mask, offset in zip(masks, offsets)]
        if self.filter is not None:
            filtered = self._filtered(input, cleared(self.filter(planes).float(), padding))
            estimates = [estimate + added for estimate, added in zip(estimates, filtered)]
        estimates = [F.pad(estimate, unused) for estimate in estimates]
        others = OrderedDict((f"mask_spk{index + 1}", F.pad(mask, unused)) for index, mask in enumerate(masks))
        return estimates, ilens, others

    def _filtered(self, input: torch.Tensor, weights: torch.Tensor) -> list[torch.Tensor]:
        """Return one filtered ``input (batch, frame, channel)`` per speaker.

        Args:
            input: zero in the padding.
            weights: ``(batch, speaker * neighbour, frame, channel)``.
        """
        num_frames, num_channels = input.shape[1:]
        assert self.filter_size is not None  # there is a filter
        rows, columns = self.filter_size
        padded = F.pad(FILTER_SCALE * input, (columns // 2, columns // 2, rows // 2, rows // 2)).unsqueeze(1)
        weights = weights.unflatten(1, (self._num_spk, -1)).unbind(2)
        # Loop over the neighbours. Unfolding them takes twice the time and nine times the memory.
        filtered = torch.zeros_like(weights[0])
        for index, weight in enumerate(weights):
            row, column = divmod(index, columns)
            neighbour = padded[:, :, row : row + num_frames, column : column + num_channels]
            filtered = torch.addcmul(filtered, weight, neighbour)
        return list(filtered.unbind(1))
