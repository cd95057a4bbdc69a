"""The small codec's network: encoder, quantiser and decoder."""

from typing import Any, Dict, List, Sequence, Tuple

import torch

from espnet_codecse.codec.hybrid.layers import Downsample, Refiner, ResidualUnit, Snake, Upsample, zero_initialised
from espnet_codecse.codec.hybrid.quantizer import ResidualQuantizer
from espnet_codecse.codec.hybrid.transform import Companding, mdct_kernel


class HybridEncoder(torch.nn.Module):
    """Companded lapped transform plus a learned path, normalised a channel.

    Before training the learned path gives zero, so that the codec starts as a transform codec. The transform itself
    is not trained: it is at its optimum, and any step from it costs the reconstruction.
    """

    def __init__(self, num_channels: int, widths: Sequence[int], strides: Sequence[int], power: float):
        super().__init__()
        hop = int(torch.tensor(strides).prod())
        self.transform = torch.nn.Conv1d(1, num_channels, 2 * hop, stride=hop, padding=hop // 2, bias=False)
        self.transform.weight.data.copy_(mdct_kernel(hop, num_channels))
        self.transform.weight.requires_grad_(False)
        self.companding = Companding(power)
        layers = [Downsample(1, widths[0], strides[0])]
        for width, next_width, stride in zip(widths, [*widths[1:], num_channels], strides[1:]):
            layers += [ResidualUnit(width), Snake(width), Downsample(width, next_width, stride)]
        layers += [Snake(num_channels), zero_initialised(torch.nn.Conv1d(num_channels, num_channels, 3, padding=1))]
        self.learned = torch.nn.Sequential(*layers)
        self.register_buffer("scale", torch.ones(num_channels, 1))

    def paths(self) -> List[List[torch.nn.Module]]:
        """Return the parallel branches, for the reach of the whole."""
        return [[self.transform], [self.learned]]

    def forward(self, speech: torch.Tensor) -> torch.Tensor:
        """Map ``(batch, 1, sample)``, a multiple of the hop, to ``(batch, channel, frame)``."""
        return self.companding(self.transform(speech)) / self.scale + self.learned(speech)


class HybridDecoder(torch.nn.Module):
    """Refinement at the frame rate, the inverse transform, and a learned path that adds the band above it."""

    def __init__(
        self, num_channels: int, widths: Sequence[int], strides: Sequence[int], power: float, num_refiners: int
    ):
        super().__init__()
        hop = int(torch.tensor(strides).prod())
        self.refine = torch.nn.Sequential(*(Refiner(num_channels, 2 * num_channels) for _ in range(num_refiners)))
        self.companding = Companding(power)
        self.transform = torch.nn.ConvTranspose1d(
            num_channels, 1, 2 * hop, stride=hop, padding=hop // 2, bias=False
        )
        self.transform.weight.data.copy_(mdct_kernel(hop, num_channels))
        self.transform.weight.requires_grad_(False)
        layers = [torch.nn.Conv1d(num_channels, num_channels, 3, padding=1)]
        for width, next_width, stride in zip([num_channels, *widths[:0:-1]], widths[::-1], strides[:0:-1]):
            layers += [Snake(width), Upsample(width, next_width, stride), ResidualUnit(next_width)]
        last = Upsample(widths[0], 1, strides[0])
        zero_initialised(last.convolution)
        self.learned = torch.nn.Sequential(*layers, Snake(widths[0]), last)
        self.register_buffer("scale", torch.ones(num_channels, 1))

    def paths(self) -> List[List[torch.nn.Module]]:
        """Return the parallel branches, for the reach of the whole."""
        return [[self.refine, self.transform], [self.refine, self.learned]]

    def forward(self, embedding: torch.Tensor) -> torch.Tensor:
        """Map ``(batch, channel, frame)`` to ``(batch, 1, sample)``."""
        embedding = self.refine(embedding)
        return self.transform(self.companding.inverse(embedding * self.scale)) + self.learned(embedding)


class HybridCodecNet(torch.nn.Module):
    """Encoder, quantiser and decoder with the configuration that rebuilds them.

    Args:
        sample_rate: Hz.
        num_channels: channels of the embedding.
        widths: channels of the learned paths after each stride but the last, from the waveform inwards.
        strides: factors of the hop, from the waveform inwards; the first is large because work at the sample rate
            is what costs time.
        power: exponent of the companding.
        num_refiners: residual blocks at the decoder's input.
        num_codebooks, codebook_size, codebook_dim: the quantiser's.
    """

    def __init__(
        self,
        sample_rate: int = 16000,
        num_channels: int = 256,
        widths: Sequence[int] = (48, 96),
        strides: Sequence[int] = (10, 4, 8),
        power: float = 0.5,
        num_refiners: int = 2,
        num_codebooks: int = 32,
        codebook_size: int = 1024,
        codebook_dim: int = 16,
    ):
        super().__init__()
        widths, strides = list(widths), list(strides)
        self.configuration: Dict[str, Any] = {
            "sample_rate": sample_rate,
            "num_channels": num_channels,
            "widths": widths,
            "strides": strides,
            "power": power,
            "num_refiners": num_refiners,
            "num_codebooks": num_codebooks,
            "codebook_size": codebook_size,
            "codebook_dim": codebook_dim,
        }
        self.hop = int(torch.tensor(strides).prod())
        self.encoder = HybridEncoder(num_channels, widths, strides, power)
        self.quantizer = ResidualQuantizer(num_channels, num_codebooks, codebook_size, codebook_dim)
        self.decoder = HybridDecoder(num_channels, widths, strides, power, num_refiners)

    def forward(self, speech: torch.Tensor) -> Tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Code ``speech (batch, 1, sample)``.

        Returns:
            ``(decoded from the continuous embedding (batch, 1, sample), decoded from the quantised one, loss)``.
        """
        embedding = self.encoder(speech)
        quantized, _, loss = self.quantizer(embedding.transpose(1, 2))
        both = self.decoder(torch.cat([embedding, quantized.transpose(1, 2)]))
        continuous, coded = both.chunk(2)
        return continuous, coded, loss

    @torch.no_grad()
    def set_scale(self, scale: torch.Tensor) -> None:
        """Divide the transform's path by ``scale (channel,)`` in the encoder and undo it in the decoder."""
        self.encoder.scale.copy_(scale.unsqueeze(1))
        self.decoder.scale.copy_(scale.unsqueeze(1))
