"""A causal dual-path convolutional recurrent network after DPCRN (Le et al., Interspeech 2021, 2107.05429)."""

import itertools
from collections.abc import Sequence

import torch
from torch import nn

from espnet_codecse.causal.abs_network import AbsCausalNetwork
from espnet_codecse.codec.mdct.layers import zero_initialised
from espnet_codecse.precision import LSTM

NUM_FEATURES = 3  # real part, imaginary part, magnitude


class DPCRN(AbsCausalNetwork):
    """Convolutions that halve the bins, dual-path recurrence over bands and frames, and the convolutions' mirror.

    DPCRN's recurrence along the bands of a frame runs in both directions, and that along the frames of a band forwards
    only. Differences to the paper: the network estimates a filter over neighbouring frames and bins of the noisy
    spectrum (deep filtering, Mack and Habets, 2020, 1904.08369) where the paper estimates a mask; the decoder's
    convolutions cover a single frame; bands have a learned position; LSTMs that hear all bands at once may follow the
    blocks; and all layers are smaller.

    Args:
        num_bins: bins of the spectrum.
        channels: channels of the encoder's convolutions, each of which halves the bins.
        kernel_bins: odd number of bins that a convolution covers.
        num_blocks: number of dual-path blocks.
        band_hidden_size: size of each direction of the LSTMs along bands.
        frame_hidden_size: size of the LSTMs along frames.
        filter_size: number of frames, up to the present one, and odd number of bins of the filter.
        full_band_size: size of the LSTMs over all bands, after the dual-path blocks; 0: none. They add few operations
            per frame, because the others run once per band, but as much time as they do
            in PyTorch, frame by frame.
        num_full_band_layers: number of these LSTMs.

    Raises:
        ValueError: a number of bins is even, or the spectrum cannot be halved that often.
    """

    def __init__(
        self,
        num_bins: int = 257,
        channels: Sequence[int] = (16, 24, 32),
        kernel_bins: int = 5,
        num_blocks: int = 2,
        band_hidden_size: int = 32,
        frame_hidden_size: int = 64,
        filter_size: Sequence[int] = (3, 3),
        full_band_size: int = 0,
        num_full_band_layers: int = 2,
    ):
        super().__init__()
        num_frames, filter_bins = filter_size
        if kernel_bins % 2 == 0 or filter_bins % 2 == 0:
            raise ValueError(f"kernel_bins {kernel_bins}, filter_size {list(filter_size)}: numbers of bins must be odd")
        if (num_bins - 1) % 2 ** len(channels):
            raise ValueError(f"a spectrum of {num_bins} bins cannot be halved {len(channels)} times")
        self.condition, self.predictor = "none", None
        self.num_bins, self.filter_frames, self.filter_bins = num_bins, num_frames, filter_bins
        planes = [NUM_FEATURES, *channels]
        self.encoder = nn.ModuleList(_Down(*pair, kernel_bins) for pair in itertools.pairwise(planes))
        num_bands = (num_bins - 1) // 2 ** len(channels) + 1
        self.position = nn.Parameter(torch.zeros(channels[-1], 1, num_bands))
        self.blocks = nn.ModuleList(
            _DualPathBlock(channels[-1], band_hidden_size, frame_hidden_size) for _ in range(num_blocks)
        )
        self.full_band = (
            _FullBand(channels[-1] * num_bands, full_band_size, num_full_band_layers) if full_band_size else None
        )
        self.decoder = nn.ModuleList(
            _Up(2 * outer, inner, kernel_bins) for inner, outer in zip([channels[0], *channels[:-1]], channels)
        )
        self.head = nn.Conv2d(channels[0], 2 * num_frames * filter_bins, 1)
        with torch.no_grad():  # starts as the identity: the present frame's own bin passes
            self.head.weight *= 0.1
            self.head.bias.zero_()
            self.head.bias[(num_frames - 1) * filter_bins + filter_bins // 2] = 1.0

    def forward(
        self, spectrum: torch.Tensor, embedding: torch.Tensor | None = None, state: Sequence[torch.Tensor] | None = None
    ) -> tuple[torch.Tensor, None, list[torch.Tensor]]:
        """See :class:`AbsCausalNetwork`; ``embedding`` is not used."""
        known = iter(state) if state is not None else None

        def next_state() -> torch.Tensor | None:
            return None if known is None else next(known)

        following: list[torch.Tensor] = []
        magnitude = (spectrum.square().sum(1, keepdim=True) + 1e-10).sqrt()
        hidden, skips = torch.cat([spectrum, magnitude], dim=1), []
        for down in self.encoder:
            hidden, past = down(hidden, next_state())
            following.append(past)
            skips.append(hidden)
        hidden = hidden + self.position
        for layer in self.blocks if self.full_band is None else [*self.blocks, self.full_band]:
            memory = next_state(), next_state()
            hidden, memory = layer(hidden, None if memory[0] is None else memory)
            following += memory
        for up, skip in zip(reversed(self.decoder), reversed(skips)):
            hidden = up(torch.cat([hidden, skip], dim=1))
        enhanced, past = self._filtered(spectrum, self.head(hidden), next_state())
        return enhanced, None, [*following, past]

    def flatten(self, state: list[torch.Tensor]) -> list[torch.Tensor]:
        """See :class:`AbsCausalNetwork`."""
        return list(state)

    def unflatten(self, tensors: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """See :class:`AbsCausalNetwork`."""
        return list(tensors)

    def _filtered(
        self, spectrum: torch.Tensor, weights: torch.Tensor, past: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the sum of neighbours times complex ``weights (batch, 2 * tap, frame, bin)``, and the last frames."""
        num_before, margin = self.filter_frames - 1, self.filter_bins // 2
        if past is None:
            past = spectrum.new_zeros(*spectrum.shape[:2], num_before, self.num_bins)
        heard = torch.cat([past, spectrum], dim=2)
        padded = nn.functional.pad(heard, (margin, margin))
        num_frames = spectrum.shape[2]
        taps = torch.stack(
            [
                padded[:, :, frame : frame + num_frames, bin : bin + self.num_bins]
                for frame, bin in itertools.product(range(self.filter_frames), range(self.filter_bins))
            ],
            dim=2,
        )  # (batch, 2, tap, frame, bin)
        real, imaginary = weights.float().chunk(2, dim=1)
        enhanced = torch.stack(
            [(taps[:, 0] * real - taps[:, 1] * imaginary).sum(1), (taps[:, 0] * imaginary + taps[:, 1] * real).sum(1)],
            dim=1,
        )
        return enhanced, heard[:, :, heard.shape[2] - num_before :]


class _Down(nn.Module):
    """A convolution over the present frame and the one before, which halves the bins."""

    def __init__(self, num_inputs: int, num_outputs: int, kernel_bins: int):
        super().__init__()
        self.conv = nn.Conv2d(num_inputs, num_outputs, (2, kernel_bins), (1, 2), (0, kernel_bins // 2))
        self.norm = nn.BatchNorm2d(num_outputs)

    def forward(self, features: torch.Tensor, past: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
        """Return ``(batch, channel, frame, bin)``, and the last input frame ``(batch, channel, 1, bin)``."""
        before = torch.zeros_like(features[:, :, :1]) if past is None else past.to(features.dtype)
        hidden = self.conv(torch.cat([before, features], dim=2))
        return nn.functional.elu(self.norm(hidden)), features[:, :, -1:]


class _Up(nn.Module):
    """A convolution over the bins of a frame, which doubles them.

    It has the support of a transposed convolution, whose processor time it halves: its even and its odd outputs are
    channels of one convolution, then interleaved.
    """

    def __init__(self, num_inputs: int, num_outputs: int, kernel_bins: int):
        super().__init__()
        reach = kernel_bins // 2
        self.margin = reach // 2, (reach + 1) // 2
        self.conv = nn.Conv2d(num_inputs, 2 * num_outputs, (1, sum(self.margin) + 1))
        self.norm = nn.BatchNorm2d(num_outputs)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Map ``(batch, channel, frame, bin)`` to ``(batch, channel, frame, 2 * bin - 1)``."""
        even, odd = self.conv(nn.functional.pad(features, self.margin)).chunk(2, dim=1)
        hidden = torch.stack([even, odd], dim=-1).flatten(-2)[..., :-1]
        return nn.functional.elu(self.norm(hidden))


class _DualPathBlock(nn.Module):
    """LSTMs along the bands of each frame, in both directions, and along the frames of each band; both residual."""

    def __init__(self, num_planes: int, band_hidden_size: int, frame_hidden_size: int):
        super().__init__()
        self.band_norm, self.frame_norm = nn.LayerNorm(num_planes), nn.LayerNorm(num_planes)
        self.band_lstm = LSTM(num_planes, band_hidden_size, batch_first=True, bidirectional=True)
        self.frame_lstm = LSTM(num_planes, frame_hidden_size, batch_first=True)
        self.band_out = nn.Linear(2 * band_hidden_size, num_planes)
        self.frame_out = nn.Linear(frame_hidden_size, num_planes)

    def forward(
        self, planes: torch.Tensor, memory: tuple[torch.Tensor, torch.Tensor] | None
    ) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor]]:
        """Map ``(batch, plane, frame, band)`` to the same shape; ``memory`` is that of the LSTM along frames."""
        batch, _, num_frames, num_bands = planes.shape
        features = planes.permute(0, 2, 3, 1)
        along_bands = self.band_lstm(self.band_norm(features).flatten(0, 1))[0]
        features = features + self.band_out(along_bands).view(batch, num_frames, num_bands, -1)
        along_frames = self.frame_norm(features).transpose(1, 2).flatten(0, 1)
        along_frames, memory = self.frame_lstm(along_frames, memory)
        features = features + self.frame_out(along_frames).view(batch, num_bands, num_frames, -1).transpose(1, 2)
        return features.permute(0, 3, 1, 2), memory


class _FullBand(nn.Module):
    """LSTMs over frames whose features are all planes of all bands; residual, and the identity before training."""

    def __init__(self, num_features: int, size: int, num_layers: int):
        super().__init__()
        self.norm = nn.LayerNorm(num_features)
        self.linear_in = nn.Linear(num_features, size)
        self.lstm = LSTM(size, size, num_layers, batch_first=True)
        self.linear_out = zero_initialised(nn.Linear(size, num_features))

    def forward(
        self, planes: torch.Tensor, memory: tuple[torch.Tensor, torch.Tensor] | None
    ) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor]]:
        """See :meth:`_DualPathBlock.forward`."""
        batch, num_planes, num_frames, num_bands = planes.shape
        features = self.linear_in(self.norm(planes.transpose(1, 2).flatten(2)))
        recalled, memory = self.lstm(features, memory)
        change = self.linear_out(features + recalled)
        return planes + change.view(batch, num_frames, num_planes, num_bands).transpose(1, 2), memory
