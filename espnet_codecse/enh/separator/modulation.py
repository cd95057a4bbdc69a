"""The gated block at the end of a separator that turns features into masks for the embedding."""

import torch
from torch.nn.utils.parametrizations import weight_norm

from espnet_codecse.codec.mdct.layers import Snake


def make_activation(name: str, num_channels: int) -> torch.nn.Module:
    """Return the activation ``snake``, ``elu`` or ``leaky_relu`` (with Lyra's slope).

    Raises:
        ValueError: the name is unknown.
    """
    if name == "snake":
        return Snake(num_channels)
    if name == "elu":
        return torch.nn.ELU()
    if name == "leaky_relu":
        return torch.nn.LeakyReLU(0.3)
    raise ValueError(f"activation '{name}' is neither 'snake' nor 'elu' nor 'leaky_relu'")


class ModulationBlock(torch.nn.Module):
    """Estimate one mask per speaker: (convolution, activation) times (convolution, sigmoid), then the activation.

    The structure is that of LatentSE (2502.16240, section 2, modulation block) and Codecformer (2406.12434, figure 2).
    The activation must be the last one of the codec's encoder, so that the product stays in the embedding's range.

    Args:
        num_channels: number of channels of the embedding.
        num_spk: number of speakers; they share the gate.
        activation: see :func:`make_activation`.
    """

    def __init__(self, num_channels: int, num_spk: int, activation: str):
        super().__init__()
        self.num_spk = num_spk
        self.masker = weight_norm(torch.nn.Conv1d(num_channels, num_channels * num_spk, 1, bias=False))
        self.filter = torch.nn.Sequential(
            torch.nn.Conv1d(num_channels, num_channels, 1), make_activation(activation, num_channels)
        )
        self.gate = torch.nn.Sequential(torch.nn.Conv1d(num_channels, num_channels, 1), torch.nn.Sigmoid())
        self.activation = make_activation(activation, num_channels)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Map ``(batch, frame, channel)`` to masks ``(speaker, batch, frame, channel)``."""
        batch, num_frames, num_channels = features.shape
        features = self.masker(features.transpose(1, 2)).reshape(batch * self.num_spk, num_channels, num_frames)
        mask = self.activation(self.filter(features) * self.gate(features))
        mask = mask.reshape(batch, self.num_spk, num_channels, num_frames)
        return mask.permute(1, 0, 3, 2)
