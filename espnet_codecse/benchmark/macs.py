"""Count multiply-accumulate operations (MACs), with and without attention."""

import math
from collections.abc import Callable

import torch

from espnet_codecse.precision import has_bfloat16_lstm

_RNN = torch.ops.aten.mkldnn_rnn_layer
_RNN_BACKWARD = torch.ops.aten.mkldnn_rnn_layer_backward


def count_macs(function: Callable[[], object]) -> int:
    """Return the MACs of all matrix products and convolutions that ``function()`` runs, including attention.

    PyTorch counts all operations that it dispatches, regardless of modules. It would miss three kinds of fused kernels:
    those of attention and of transformer layers in evaluation mode, which are disabled here, and those of LSTMs on a
    CPU, which are counted here.
    """
    with torch.no_grad():
        return count_step_flops(function) // 2


def count_step_flops(function: Callable[[], object]) -> int:
    """Return the floating-point operations of the products that ``function()`` runs on a CPU, also for gradients."""
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    has_bfloat16_lstm()  # its first call runs an LSTM, which would be counted
    fast_path = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    fused = {_RNN: _fused_lstm_flops, _RNN_BACKWARD: _fused_lstm_backward_flops}
    with FlopCounterMode(display=False, custom_mapping=fused) as counter, sdpa_kernel(SDPBackend.MATH):
        try:
            function()
        finally:
            torch.backends.mha.set_fastpath_enabled(fast_path)
    return counter.get_total_flops()


def _fused_lstm_flops(input_shape, of_input_shape, of_state_shape, *args, out_shape=None, **kwargs) -> int:
    """Return the FLOPs of an LSTM on ``(time, batch, input)`` from the shapes of its two weights."""
    return 2 * input_shape[0] * input_shape[1] * (math.prod(of_input_shape) + math.prod(of_state_shape))


def _fused_lstm_backward_flops(input_shape, of_input_shape, of_state_shape, *args, out_shape=None, **kwargs) -> int:
    """Return the FLOPs of the gradients of an LSTM: those of its input and those of its weights."""
    return 2 * _fused_lstm_flops(input_shape, of_input_shape, of_state_shape)


def count_module_macs(model: torch.nn.Module, function: Callable[[], object]) -> int:
    """Return the MACs of ``model``'s linear layers and convolutions that ``function()`` calls, as counted by thop.

    thop hooks modules. It therefore does not count ``torch.nn.MultiheadAttention``, which uses its weights without
    calling sub-modules, nor anything that is not a sub-module of ``model``. (thop also counts a few operations of
    normalisations.)
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
    hooks: list = [module.register_forward_hook(count) for module in model.modules() if isinstance(module, kinds)]
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
