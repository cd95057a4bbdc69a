"""Convert the operators of Lyra's graphs to layers.

A graph computes one frame and keeps the past of each convolution in variables. For a whole recording, no variables are
needed: the graph is a chain of causal convolutions, activations and residual units, with zeros before the start.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch

from espnet_codecse.codec.lyra.layers import CausalConv, CausalUpsample, Residual, context_of
from espnet_codecse.codec.lyra.tflite_file import Graph, Operator
from espnet_codecse.errors import UserError

MAX_REACH = 4096  # largest span of a convolution and largest stride, in units; limits the memory for padding

# These operators keep the past between frames.
_STATE = {"CALL_ONCE", "VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE", "SUB"}
# In float32, these operators change no values. A slice returns the outputs of the frame and leaves the tail, to which
# later frames add.
_SAME = {"RESHAPE", "QUANTIZE", "DEQUANTIZE", "STRIDED_SLICE"}


@dataclass(frozen=True)
class _Signal:
    """Position of a tensor in the signal path.

    Attributes:
        num_layers: number of layers of the chain that were applied to it.
        context: number of past units before those of the frame.
        group: index of its group of channels; None: all channels.
    """

    num_layers: int
    context: int = 0
    group: int | None = None


class _Chain:
    """Follow the signal from the input of a graph, and collect the layers on its path."""

    def __init__(self, graph: Graph):
        self.graph = graph
        self.layers: list[torch.nn.Module] = []
        self._widths: list[int | None] = [None]  # channels before each layer and after the last; None: not known yet
        self._signals: dict[int, _Signal] = {graph.inputs[0]: _Signal(0)}
        self._upsampling: list[tuple[torch.Tensor, torch.Tensor, int]] = []  # weight, bias and stride of each group

    def follow(self) -> list[torch.nn.Module]:
        """Return the layers.

        Raises:
            UserError: the graph is not a chain of causal convolutions.
        """
        actions = {
            "CONCATENATION": self._concatenation,
            "CONV_2D": self._convolution,
            "LEAKY_RELU": self._activation,
            "DEPTHWISE_CONV_2D": self._convolution,
            "ADD": self._addition,
            "SPLIT": self._split,
            "TRANSPOSE_CONV": self._transposed,
        }
        for operator in self.graph.operators:
            if operator.kind in _SAME:
                self._pass(operator.inputs[0], operator.outputs[0])
            elif operator.kind in actions:
                actions[operator.kind](operator)
            elif operator.kind not in _STATE:
                raise self._refused(f"operator {operator.kind} is not known here")
        self._at_end(self.graph.outputs[0], "the output")
        return self.layers

    def _refused(self, reason: str) -> UserError:
        return self.graph.file.refuse(reason)

    def _pass(self, source: int, target: int) -> None:
        if source in self._signals:
            self._signals[target] = self._signals[source]

    def _at_end(self, tensor: int, name: str) -> _Signal:
        signal = self._signals.get(tensor)
        if signal is None or signal.num_layers != len(self.layers):
            raise self._refused(f"{name} is not fed by the layer before it")
        return signal

    def _whole_at_end(self, tensor: int, kind: str) -> _Signal:
        signal = self._at_end(tensor, kind)
        if signal.group is not None:
            raise self._refused(f"{kind} takes one group of the channels")
        return signal

    def _append(self, layer: torch.nn.Module, output: int) -> None:
        width = self._widths[-1]
        if isinstance(layer, (CausalConv, CausalUpsample)):
            if width not in (None, layer.convolution.in_channels):
                raise self._refused(f"{layer.convolution.in_channels} channels follow {width}")
            self._widths = [layer.convolution.in_channels if item is None else item for item in self._widths]
            width = layer.convolution.out_channels
        self.layers.append(layer)
        self._widths.append(width)
        self._signals[output] = _Signal(len(self.layers))

    def _concatenation(self, operator: Operator) -> None:
        parts = [tensor for tensor in operator.inputs if tensor in self._signals]
        (output,) = operator.outputs
        if len(parts) > 1:
            self._grouped_upsampling(parts, output)
        elif parts:
            context = self.graph.shape(output)[1] - self.graph.shape(parts[0])[1]
            self._signals[output] = replace(self._signals[parts[0]], context=context)

    def _activation(self, operator: Operator) -> None:
        self._whole_at_end(operator.inputs[0], operator.kind)
        self._append(torch.nn.LeakyReLU(operator.options.Alpha()), operator.outputs[0])

    def _convolution(self, operator: Operator) -> None:
        source, weight, bias = self._operands(operator, operator.inputs)
        signal = self._whole_at_end(source, operator.kind)
        options = operator.options
        stride, dilation = options.StrideH(), options.DilationHFactor()
        in_channels = self.graph.shape(source)[-1]
        # (out, kernel, 1, in / groups); for a depthwise convolution (1, kernel, 1, out)
        order = (3, 0, 2, 1) if operator.kind == "DEPTHWISE_CONV_2D" else (0, 3, 2, 1)
        weight = weight.transpose(order)[:, :, 0]
        groups, rest = divmod(in_channels, weight.shape[1])
        self._check_sizes(weight.shape[2], stride, dilation)
        fits = rest == 0 and weight.shape[0] % groups == 0 and bias.shape == weight.shape[:1]
        if not fits or options.FusedActivationFunction():
            raise self._refused(f"{operator.kind} has sizes that do not fit, or an activation of its own")
        if signal.context != context_of(weight.shape[2], stride, dilation):
            raise self._refused(f"{operator.kind} of kernel {weight.shape[2]} sees {signal.context} units of the past")
        self._append(CausalConv(_tensor(weight), _tensor(bias), stride, dilation, groups), operator.outputs[0])

    def _transposed(self, operator: Operator) -> None:
        _, weight_number, source, bias_number = operator.inputs
        source, weight, bias = self._operands(operator, (source, weight_number, bias_number))
        signal = self._at_end(source, operator.kind)
        stride = operator.options.StrideH()
        weight = weight[:, :, 0].transpose(2, 0, 1)  # (out, kernel, 1, in)
        self._check_sizes(weight.shape[2], stride, 1)
        if weight.shape[0] != self.graph.shape(source)[-1] or bias.shape != weight.shape[1:2]:
            raise self._refused(f"{operator.kind} has sizes that do not fit")
        group = (_tensor(weight), _tensor(bias), stride)
        if signal.group is None:
            self._append(CausalUpsample(*group, groups=1), operator.outputs[0])
            return
        if signal.group != len(self._upsampling):
            raise self._refused(f"{operator.kind} takes the groups of the channels in another order")
        self._upsampling.append(group)
        self._signals[operator.outputs[0]] = signal

    def _grouped_upsampling(self, parts: list[int], output: int) -> None:
        weights, biases, strides = zip(*self._upsampling) if self._upsampling else ((), (), ())
        groups = [self._at_end(part, "CONCATENATION").group for part in parts]
        shapes = {weight.shape for weight in weights}
        if groups != list(range(len(weights))) or len(set(strides)) != 1 or len(shapes) != 1:
            raise self._refused("CONCATENATION joins other than the groups of one transposed convolution")
        self._upsampling = []
        layer = CausalUpsample(torch.cat(weights), torch.cat(biases), strides[0], groups=len(weights))
        self._append(layer, output)

    def _split(self, operator: Operator) -> None:
        signal = self._whole_at_end(operator.inputs[1], operator.kind)
        for group, output in enumerate(operator.outputs):
            self._signals[output] = replace(signal, group=group)

    def _addition(self, operator: Operator) -> None:
        signals = [self._signals[tensor] for tensor in operator.inputs if tensor in self._signals]
        if len(signals) == 1:
            # The tail of earlier frames of a transposed convolution.
            if any(self.graph.constant(tensor) is not None for tensor in operator.inputs):
                raise self._refused("ADD of a constant")
            self._signals[operator.outputs[0]] = signals[0]
        elif signals:
            start, end = sorted(signal.num_layers for signal in signals)
            unit = self.layers[start:]
            keeps_shape = self._widths[start] == self._widths[-1] and all(
                isinstance(layer, torch.nn.LeakyReLU) or (isinstance(layer, CausalConv) and layer.stride == 1)
                for layer in unit
            )
            if end != len(self.layers) or not unit or not keeps_shape or operator.options.FusedActivationFunction():
                raise self._refused("ADD is not the end of a residual unit")
            self.layers[start:], self._widths[start + 1 :] = [Residual(*unit)], [self._widths[-1]]
            self._signals = {number: item for number, item in self._signals.items() if item.num_layers <= start}
            self._signals[operator.outputs[0]] = _Signal(len(self.layers))

    def _operands(self, operator: Operator, numbers: tuple[int, ...]) -> tuple[int, np.ndarray, np.ndarray]:
        source, *constants = numbers
        weight, bias = (self.graph.constant(number) for number in constants)
        if (
            weight is None
            or bias is None
            or weight.ndim != 4
            or weight.shape[2] != 1
            or operator.options.Padding() != 1
        ):
            raise self._refused(f"{operator.kind} has no constant weights, or pads its input itself")
        return source, weight, bias

    def _check_sizes(self, kernel: int, stride: int, dilation: int) -> None:
        if not (0 < stride <= kernel and dilation > 0 and kernel * dilation <= MAX_REACH):
            raise self._refused(f"a convolution of kernel {kernel}, stride {stride}, dilation {dilation}")


def read_coder(graph: Graph) -> list[torch.nn.Module]:
    """Return the layers of an encoder or decoder in order; see the docstring of this module.

    Raises:
        UserError: the graph is not a chain of causal convolutions, or the file is damaged.
    """
    with graph.file.checked():
        return _Chain(graph).follow()


def read_codebooks(graph: Graph) -> torch.Tensor:
    """Return the codebooks ``(codebook, entry, channel)`` of the quantiser's encoding graph.

    The graph compares each codebook with the residual of the previous ones, so that the comparisons are in the order of
    the codebooks.

    Raises:
        UserError: there are no codebooks, they differ in size, or the file is damaged.
    """
    with graph.file.checked():
        differences = [operator for operator in graph.operators if operator.kind == "SQUARED_DIFFERENCE"]
        constants = [graph.constant(operator.inputs[1]) for operator in differences]
        books = [book for book in constants if book is not None and book.ndim == 3]
        if not books or len(books) < len(constants) or any(book.shape != books[0].shape for book in books):
            raise graph.file.refuse("holds no codebooks of one size")
        return _tensor(np.concatenate(books))


def _tensor(values: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(values))
