"""The layout of a chain of Lyra's layers as plain data, to build such a network without the codec's files."""

from collections.abc import Iterable, Sequence
from typing import Any

import torch

from espnet_codecse.codec.lyra.layers import CausalConv, CausalUpsample, Residual

Layout = list[dict[str, Any]]


def describe(layers: Iterable[torch.nn.Module]) -> Layout:
    """Return one entry per layer: its kind, and sizes or the inner layers."""
    return [_entry(layer) for layer in layers]


def build(layout: Sequence[dict[str, Any]]) -> torch.nn.Sequential:
    """Return the layers that ``layout`` describes, with random weights.

    Raises:
        KeyError, TypeError, ValueError: not a layout of :func:`describe`.
    """
    return torch.nn.Sequential(*(_layer(dict(entry)) for entry in layout))


def _entry(layer: torch.nn.Module) -> dict[str, Any]:
    if isinstance(layer, Residual):
        return {"residual": describe(layer)}
    if isinstance(layer, CausalConv):
        convolution = layer.convolution
        return {
            "conv": [convolution.in_channels, convolution.out_channels, convolution.kernel_size[0]],
            "stride": layer.stride,
            "dilation": convolution.dilation[0],
            "groups": convolution.groups,
        }
    if isinstance(layer, CausalUpsample):
        transposed = layer.convolution
        return {
            "upsample": [transposed.in_channels, transposed.out_channels, transposed.kernel_size[0]],
            "stride": layer.stride,
            "groups": transposed.groups,
        }
    if isinstance(layer, torch.nn.LeakyReLU):
        return {"leaky_relu": layer.negative_slope}
    raise TypeError(f"{type(layer).__name__} is no layer of Lyra")


def _layer(entry: dict[str, Any]) -> torch.nn.Module:
    if "residual" in entry:
        return Residual(*build(entry["residual"]))
    if "leaky_relu" in entry:
        return torch.nn.LeakyReLU(entry["leaky_relu"])
    transposed = "upsample" in entry
    in_channels, out_channels, kernel = entry["upsample" if transposed else "conv"]
    groups = entry["groups"]
    if transposed:
        source = torch.nn.ConvTranspose1d(in_channels, out_channels, kernel, entry["stride"], groups=groups)
        return CausalUpsample(source.weight, source.bias, entry["stride"], groups)
    convolution = torch.nn.Conv1d(in_channels, out_channels, kernel, groups=groups)
    return CausalConv(convolution.weight, convolution.bias, entry["stride"], entry["dilation"], groups)
