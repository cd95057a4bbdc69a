"""Convolutional building blocks of the small codec."""

import torch


class Snake(torch.nn.Module):
    """The activation ``x + sin(a x)^2 / a`` with one ``a`` per channel (Ziyin et al., 2020, eq. 3)."""

    def __init__(self, num_channels: int):
        super().__init__()
        self.alpha = torch.nn.Parameter(torch.ones(1, num_channels, 1))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Map ``(batch, channel, time)`` to the same shape."""
        sine = torch.sin(self.alpha * features)
        return torch.addcmul(features, sine, sine * (1 / (self.alpha + 1e-9)))


class ResidualUnit(torch.nn.Module):
    """Residual unit: Snake, convolution over time, Snake and pointwise convolution, added to the input."""

    def __init__(self, num_channels: int, kernel_size: int = 7, dilation: int = 1):
        super().__init__()
        self.block = torch.nn.Sequential(
            Snake(num_channels),
            torch.nn.Conv1d(
                num_channels, num_channels, kernel_size, dilation=dilation, padding=dilation * (kernel_size // 2)
            ),
            Snake(num_channels),
            torch.nn.Conv1d(num_channels, num_channels, 1),
        )

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Map ``(batch, channel, time)`` to the same shape."""
        return features + self.block(features)


class Refiner(torch.nn.Module):
    """A ConvNeXt-style residual block at the frame rate, which starts as the identity.

    Its receptive field of ``kernel_size`` frames allows it to smooth quantisation noise.
    """

    def __init__(self, num_channels: int, hidden_channels: int, kernel_size: int = 7):
        super().__init__()
        self.depthwise = torch.nn.Conv1d(
            num_channels, num_channels, kernel_size, padding=kernel_size // 2, groups=num_channels
        )
        self.expand = torch.nn.Conv1d(num_channels, hidden_channels, 1)
        self.activation = Snake(hidden_channels)
        self.project = zero_initialised(torch.nn.Conv1d(hidden_channels, num_channels, 1))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Map ``(batch, channel, frame)`` to the same shape."""
        return features + self.project(self.activation(self.expand(self.depthwise(features))))


class Upsample(torch.nn.Module):
    """Transposed convolution that multiplies the length by exactly ``stride``."""

    def __init__(self, in_channels: int, out_channels: int, stride: int):
        super().__init__()
        self.crop = (stride // 2, stride - stride // 2)
        self.convolution = torch.nn.ConvTranspose1d(in_channels, out_channels, 2 * stride, stride=stride)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Map ``(batch, in_channels, time)`` to ``(batch, out_channels, time * stride)``."""
        output = self._single(features) if self.convolution.out_channels == 1 else self.convolution(features)
        return output[..., self.crop[0] : output.shape[-1] - self.crop[1]]

    def _single(self, features: torch.Tensor) -> torch.Tensor:
        """Compute the convolution as a matrix product and overlap-add.

        With one output channel, at the sample rate, this takes a third of the convolution's time on a CPU.
        """
        first, second = (features.transpose(1, 2) @ self.convolution.weight.flatten(1)).chunk(2, dim=2)
        output = torch.nn.functional.pad(first, (0, 0, 0, 1)) + torch.nn.functional.pad(second, (0, 0, 1, 0))
        return output.flatten(1).unsqueeze(1) + self.convolution.bias


def zero_initialised(layer: torch.nn.Module) -> torch.nn.Module:
    """Set the weights of a layer to zero, so that the path that ends in it has no effect before training."""
    torch.nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        torch.nn.init.zeros_(layer.bias)
    return layer
