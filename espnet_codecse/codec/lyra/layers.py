"""Causal convolutional building blocks."""

import torch


class CausalConv(torch.nn.Module):
    """Causal convolution: an output is complete when the last of its ``stride`` new units is available.

    Args:
        weight: ``(out_channel, in_channel / groups, kernel)``.
        bias: ``(out_channel,)``.
        stride, dilation, groups: as in :class:`torch.nn.Conv1d`.
    """

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor, stride: int, dilation: int, groups: int):
        super().__init__()
        out_channels, in_channels, kernel = weight.shape
        self.stride, self.context = stride, context_of(kernel, stride, dilation)
        self.convolution = torch.nn.Conv1d(
            in_channels * groups, out_channels, kernel, stride, dilation=dilation, groups=groups
        )
        _set(self.convolution, weight, bias)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Map ``(batch, in_channel, time)`` to ``(batch, out_channel, time / stride)``."""
        return self.convolution(torch.nn.functional.pad(features, (self.context, 0)))

    def step(self, features: torch.Tensor, past: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the outputs of a piece, and the units that the next piece needs.

        Args:
            features: ``(batch, in_channel, time)``.
            past: ``(batch, in_channel, context)``, the units before it.
        """
        features = torch.cat([past, features], dim=2)
        return self.convolution(features), features[..., features.shape[2] - self.context :]


class CausalUpsample(torch.nn.Module):
    """Causal transposed convolution: each input unit completes ``stride`` outputs.

    Args:
        weight: ``(in_channel, out_channel / groups, kernel)``.
        bias: ``(out_channel,)``.
        stride, groups: as in :class:`torch.nn.ConvTranspose1d`.
    """

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor, stride: int, groups: int):
        super().__init__()
        in_channels, out_channels, kernel = weight.shape
        self.stride = stride
        self.convolution = torch.nn.ConvTranspose1d(in_channels, out_channels * groups, kernel, stride, groups=groups)
        _set(self.convolution, weight, bias)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Map ``(batch, in_channel, time)`` to ``(batch, out_channel, time * stride)``."""
        if self.convolution.out_channels == 1:
            return self._single(features)
        # The rest is the tail, to which later units would add.
        return self.convolution(features)[..., : features.shape[-1] * self.stride]

    def step(self, features: torch.Tensor, tail: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the outputs that a piece completes, and the tail to which later units add.

        Args:
            features: ``(batch, in_channel, time)``.
            tail: ``(batch, out_channel, kernel - stride)``, what earlier units add to these outputs.
        """
        convolution = self.convolution
        added = torch.nn.functional.conv_transpose1d(
            features, convolution.weight, None, self.stride, groups=convolution.groups
        )
        overlap = tail.shape[2]
        added = torch.cat([added[..., :overlap] + tail, added[..., overlap:]], dim=2)
        end = features.shape[2] * self.stride
        return added[..., :end] + convolution.bias[:, None], added[..., end:]

    def _single(self, features: torch.Tensor) -> torch.Tensor:
        """Compute the convolution as a matrix product and overlap-add.

        With one output channel, at the sample rate, this takes a fraction of the convolution's time on a CPU.
        """
        stride, time = self.stride, features.shape[-1]
        product = features.transpose(1, 2) @ self.convolution.weight.flatten(1)  # (batch, time, kernel)
        output = self.convolution.bias
        for delay, part in enumerate(product.split(stride, dim=2)):
            padding = (0, stride - part.shape[2], min(delay, time), 0)
            output = output + torch.nn.functional.pad(part[:, : max(time - delay, 0)], padding)
        return output.flatten(1).unsqueeze(1)


class Residual(torch.nn.Sequential):
    """Layers whose output is added to their input."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Map ``(batch, channel, time)`` to the same shape."""
        return features + super().forward(features)


def context_of(kernel: int, stride: int, dilation: int) -> int:
    """Return the number of past units that a causal convolution needs in addition to the ``stride`` new ones."""
    return dilation * (kernel - 1) + 1 - stride


def _set(layer: torch.nn.Module, weight: torch.Tensor, bias: torch.Tensor) -> None:
    with torch.no_grad():
        layer.weight.copy_(weight)
        layer.bias.copy_(bias)
