"""Counting multiply-accumulate operations (MACs), with and without attention."""

from typing import Callable, List

import torch


def count_macs(function: Callable[[], object]) -> int:
    """Return the MACs of all matrix products and convolutions that ``function()`` runs, those of attention included.

    PyTorch counts what it dispatches, whatever module it belongs to. Two things would slip through: the fused kernels
    of attention, which are taken apart here, and those of transformer layers in evaluation mode: call it in training
    mode. LSTMs on a CPU are not counted.
    """
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    with torch.no_grad(), FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        function()
    return counter.get_total_flops() // 2


def count_module_macs(model: torch.nn.Module, function: Callable[[], object]) -> int:
    """Return the MACs of ``model``'s linear layers and convolutions that ``function()`` calls, as thop counts them.

    thop hooks modules. ``torch.nn.MultiheadAttention`` computes with its weights, not its sub-modules, and so counts
    for nothing; nor does what is no sub-module of ``model``. (thop also counts a few operations of normalisations.)
    """
    total = 0

    def count(module: torch.nn.Module, inputs, output: torch.Tensor) -> None:
        nonlocal total
        weights = module.weight.numel()
        if isinstance(module, torch.nn.Linear):
            total += output.numel() // module.out_features * weights
        elif module.transposed:
            total += inputs[0].numel() // module.in_channels * weights
        else:
            total += output.numel() // module.out_channels * weights

    kinds = (torch.nn.Linear, torch.nn.modules.conv._ConvNd)
    hooks: List = [module.register_forward_hook(count) for module in model.modules() if isinstance(module, kinds)]
    try:
        with torch.no_grad():
            function()
    finally:
        for hook in hooks:
            hook.remove()
    return total


def num_parameters(model: torch.nn.Module) -> int:
    """Return the number of trainable parameters."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
