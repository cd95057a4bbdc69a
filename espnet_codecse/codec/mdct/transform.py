"""The linear path of the small codec: a modified discrete cosine transform (MDCT) and a power law."""

import math

import torch
from torch.nn import functional as F


def mdct_kernel(hop: int, num_channels: int) -> torch.Tensor:
    """Return the first ``num_channels`` MDCT basis functions with a sine window, ``(channel, 1, 2 * hop)``.

    The full set of ``hop`` functions is orthonormal and gives perfect reconstruction (Princen and Bradley, 1986). A
    smaller number keeps the band below ``num_channels / (2 * hop)`` of the sample rate.
    """
    sample = torch.arange(2 * hop, dtype=torch.float64)
    channel = torch.arange(num_channels, dtype=torch.float64)[:, None]
    window = torch.sin(math.pi * (sample + 0.5) / (2 * hop))
    phase = math.pi / hop * (sample + 0.5 + hop / 2) * (channel + 0.5)
    return (window * torch.cos(phase) * math.sqrt(2 / hop)).float().unsqueeze(1)


class LappedTransform(torch.nn.Module):
    """The MDCT as a strided convolution and its transpose.

    The kernel is computed, and neither trained nor stored, because any change would degrade the reconstruction.

    Args:
        hop: samples per frame.
        num_channels: number of basis functions.
    """

    def __init__(self, hop: int, num_channels: int):
        super().__init__()
        self.hop = hop
        self.register_buffer("kernel", mdct_kernel(hop, num_channels), persistent=False)

    def forward(self, speech: torch.Tensor) -> torch.Tensor:
        """Map ``(batch, 1, sample)``, a multiple of the hop, to coefficients ``(batch, channel, frame)``."""
        return F.conv1d(speech, self.kernel, stride=self.hop, padding=self.hop // 2)

    def inverse(self, coefficient: torch.Tensor) -> torch.Tensor:
        """Map ``(batch, channel, frame)`` to ``(batch, 1, sample)``."""
        return F.conv_transpose1d(coefficient, self.kernel, stride=self.hop, padding=self.hop // 2)


class Companding(torch.nn.Module):
    """The power law ``sign(x) ((|x| + e)^p - e^p)`` and its exact inverse, both with a finite slope at zero.

    Speech spans about 50 dB. A power below one reduces this range, so that weak bands keep their share of the
    quantiser's precision and of an embedding loss, as in the compressed spectra of common enhancement losses.
    """

    def __init__(self, power: float, offset: float = 1e-3):
        super().__init__()
        self.power, self.offset = power, offset

    def forward(self, coefficient: torch.Tensor) -> torch.Tensor:
        """Compress coefficients of any shape."""
        magnitude = (coefficient.abs() + self.offset) ** self.power - self.offset**self.power
        return torch.sign(coefficient) * magnitude

    def inverse(self, compressed: torch.Tensor) -> torch.Tensor:
        """Invert :meth:`forward`."""
        magnitude = (compressed.abs() + self.offset**self.power) ** (1 / self.power) - self.offset
        return torch.sign(compressed) * magnitude
