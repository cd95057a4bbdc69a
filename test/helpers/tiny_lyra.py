"""A small random codec in the file format of Lyra V2: three TensorFlow Lite files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import tflite

SLOPE = 0.3
STEP = 0.05  # of the 8-bit activations


def save_lyra(folder: Path, seed: int = 0, dim: int = 8, num_codebooks: int = 6, in_8_bits: bool = True) -> Path:
    """Write a folder with hop 320 and ``dim`` channels; ai-edge-litert runs the graphs too.

    With ``in_8_bits`` some layers have integer weights and activations, as the published ones have.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    (folder / "soundstream_encoder.tflite").write_bytes(_encoder(rng, dim, in_8_bits).finish())
    (folder / "lyragan.tflite").write_bytes(_decoder(rng, dim, in_8_bits).finish())
    (folder / "quantizer.tflite").write_bytes(_quantizer(rng, dim, num_codebooks).finish())
    return folder


def _encoder(rng: np.random.Generator, dim: int, in_8_bits: bool) -> "NetworkWriter":
    net = NetworkWriter(rng, (1, 320))
    net.reshape((1, 320, 1, 1))
    net.convolution(4, kernel=64, stride=16)
    net.residual_unit(dilation=1)
    net.activation()
    net.convolution(8, kernel=10, stride=5)
    net.residual_unit(dilation=9, groups=2)
    net.activation()
    net.convolution(8, kernel=4, stride=2, groups=2)
    if in_8_bits:
        net.quantize()
    net.activation()
    net.convolution(8, kernel=4, stride=2, groups=2)
    net.residual_unit(dilation=3)
    net.activation()
    net.convolution(dim, kernel=3, groups=4)
    if in_8_bits:
        net.dequantize()
    net.reshape((1, 1, dim))
    return net


def _decoder(rng: np.random.Generator, dim: int, in_8_bits: bool) -> "NetworkWriter":
    net = NetworkWriter(rng, (1, 1, dim))
    net.reshape((1, 1, 1, dim))
    net.convolution(16, kernel=3, groups=2)
    net.activation()
    if in_8_bits:
        net.quantize()
    net.upsampling(8, kernel=4, stride=2, groups=4)
    net.residual_unit(dilation=3)
    net.activation()
    net.upsampling(8, kernel=4, stride=2, groups=2)
    net.activation()
    net.upsampling(4, kernel=10, stride=5)
    net.residual_unit(dilation=9)
    net.activation()
    net.upsampling(1, kernel=64, stride=16)
    net.reshape((1, 320))
    return net


def _quantizer(rng: np.random.Generator, dim: int, num_codebooks: int) -> "GraphWriter":
    graph = GraphWriter("encode")
    residual = graph.input((1, 1, dim))
    axis = graph.tensor((), np.int32(2))
    codes = []
    for index in range(num_codebooks):
        book = (0.7**index * rng.standard_normal((16, dim))).astype(np.float32)
        difference = graph.operator("SQUARED_DIFFERENCE", [residual, graph.tensor((1, 16, dim), book)], (1, 16, dim))
        distance = graph.operator("SUM", [difference, axis], (1, 16), ("ReducerOptions", {}))
        codes.append(graph.operator(
            "ARG_MIN", [distance, graph.tensor((), np.int32(1))], (1,),
            ("ArgMinOptions", {"OutputType": tflite.TensorType.INT32}), dtype=np.int32,
        ))  # fmt: skip
        found = graph.operator("GATHER", [graph.tensor((16, dim), book), codes[-1]], (1, dim), ("GatherOptions", {}))
        shape = graph.tensor((3,), np.int32([1, 1, dim]))
        found = graph.operator("RESHAPE", [found, shape], (1, 1, dim), ("ReshapeOptions", {}))
        residual = graph.operator("SUB", [residual, found], (1, 1, dim), ("SubOptions", {}))
    graph.outputs = [
        graph.operator(
            "PACK", codes, (num_codebooks, 1), ("PackOptions", {"ValuesCount": num_codebooks}), dtype=np.int32
        )
    ]
    return graph


class GraphWriter:
    """Writes one graph, and a second one that sets its variables to zero."""

    def __init__(self, name: str):
        self._builder = flatbuffers.Builder(1 << 16)
        self._name, self._codes = name, []
        self._buffers: list[bytes] = [b""]
        self._tensors: list[list[int]] = [[], []]  # of the graph, of the one that initialises
        self._operators: list[list[int]] = [[], []]
        self._shapes: dict[int, tuple[int, ...]] = {}
        self.inputs: list[int] = []
        self.outputs: list[int] = []

    def input(self, shape: Sequence[int]) -> int:
        """Add the graph's input."""
        self.inputs = [self.tensor(shape)]
        return self.inputs[0]

    def shape(self, tensor: int) -> tuple[int, ...]:
        """Return the shape of a tensor."""
        return self._shapes[tensor]

    def tensor(
        self, shape: Sequence[int], values: np.ndarray | None = None, dtype: Any = np.float32,
        scale: Any = None, axis: int = 0, graph: int = 0,
    ) -> int:  # fmt: skip
        """Add a tensor and return its number; with ``scale`` it is quantised, with ``values`` a constant."""
        if values is not None:
            values, dtype = np.ascontiguousarray(values), values.dtype
            self._buffers.append(values.tobytes())
        types = {np.dtype("f4"): "FLOAT32", np.dtype("i4"): "INT32", np.dtype("i1"): "INT8", np.dtype("O"): "RESOURCE"}
        fields = {
            "Shape": self._vector(shape, np.int32), "Name": self._builder.CreateString(str(len(self._tensors[graph]))),
            "Type": getattr(tflite.TensorType, types[np.dtype(dtype)]),
            "Buffer": 0 if values is None else len(self._buffers) - 1,
        }  # fmt: skip
        if scale is not None:
            scale = np.atleast_1d(np.float32(scale))
            fields["Quantization"] = self._table(
                "QuantizationParameters", Scale=self._vector(scale, np.float32),
                ZeroPoint=self._vector(np.zeros(len(scale)), np.int64), QuantizedDimension=axis,
            )  # fmt: skip
        self._tensors[graph].append(self._table("Tensor", **fields))
        if graph == 0:
            self._shapes[len(self._tensors[0]) - 1] = tuple(shape)
        return len(self._tensors[graph]) - 1

    def operator(
        self, kind: str, inputs: Sequence[int], shape: Any, options: tuple[str, dict[str, int]] | None = None,
        dtype: Any = np.float32, scale: Any = None, num_outputs: int = 1,
    ) -> Any:  # fmt: skip
        """Add an operator and return its output's number, of several outputs a list, without a shape None."""
        outputs = [] if shape is None else [self.tensor(shape, None, dtype, scale) for _ in range(num_outputs)]
        self._add(0, kind, inputs, outputs, options)
        return None if shape is None else outputs[0] if num_outputs == 1 else outputs

    def variable(self, shape: Sequence[int]) -> int:
        """Add a variable of zeros and return the number of its handle."""
        if not self._operators[1]:
            self._add(0, "CALL_ONCE", [], [], ("CallOnceOptions", {"InitSubgraphIndex": 1}))
        name = f"state{len(self._operators[1])}"
        handles = []
        for graph in (0, 1):
            handles.append(self.tensor((), None, np.object_, graph=graph))
            options = {"SharedName": self._builder.CreateString(name), "Container": self._builder.CreateString("")}
            self._add(graph, "VAR_HANDLE", [], handles[-1:], ("VarHandleOptions", options))
        zeros = self.tensor(shape, np.zeros(shape, np.float32), graph=1)
        self._add(1, "ASSIGN_VARIABLE", [handles[1], zeros], [], ("AssignVariableOptions", {}))
        return handles[0]

    def finish(self) -> bytes:
        """Return the file's content."""
        graphs = []
        for index, name in enumerate([self._name, "NoOp"] if self._operators[1] else [self._name]):
            graphs.append(self._table(
                "SubGraph", Tensors=self._offsets(self._tensors[index]), Name=self._builder.CreateString(name),
                Inputs=self._vector(self.inputs if index == 0 else [], np.int32),
                Outputs=self._vector(self.outputs if index == 0 else [], np.int32),
                Operators=self._offsets(self._operators[index]),
            ))  # fmt: skip
        codes = []
        for kind in self._codes:
            code = getattr(tflite.BuiltinOperator, kind)
            codes.append(self._table("OperatorCode", DeprecatedBuiltinCode=min(code, 127), BuiltinCode=code, Version=1))
        buffers = [self._table("Buffer", **({"Data": self._bytes(data)} if data else {})) for data in self._buffers]
        model = self._table(
            "Model", Version=3, OperatorCodes=self._offsets(codes), Subgraphs=self._offsets(graphs),
            Description=self._builder.CreateString("tiny"), Buffers=self._offsets(buffers),
        )  # fmt: skip
        self._builder.Finish(model, file_identifier=b"TFL3")
        return bytes(self._builder.Output())

    def _add(self, graph: int, kind: str, inputs, outputs, options) -> None:
        if kind not in self._codes:
            self._codes.append(kind)
        fields = {
            "OpcodeIndex": self._codes.index(kind), "Inputs": self._vector(inputs, np.int32),
            "Outputs": self._vector(outputs, np.int32),
        }  # fmt: skip
        if options is not None:
            fields["BuiltinOptions"] = self._table(options[0], **options[1])
            fields["BuiltinOptionsType"] = getattr(tflite.BuiltinOptions, options[0])
        self._operators[graph].append(self._table("Operator", **fields))

    def _table(self, kind: str, **fields) -> int:
        getattr(tflite, f"{kind}Start")(self._builder)
        for name, value in fields.items():
            getattr(tflite, f"{kind}Add{name}")(self._builder, value)
        return getattr(tflite, f"{kind}End")(self._builder)

    def _vector(self, values: Sequence, dtype: Any) -> int:
        return self._builder.CreateNumpyVector(np.asarray(values, dtype))

    def _offsets(self, offsets: Sequence[int]) -> int:
        self._builder.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            self._builder.PrependUOffsetTRelative(offset)
        return self._builder.EndVector()

    def _bytes(self, data: bytes) -> int:
        self._builder.StartVector(1, len(data), 16)  # the runtime reads constants where they lie
        head = self._builder.head - len(data)
        self._builder.head = head
        self._builder.Bytes[head : head + len(data)] = data
        return self._builder.EndVector()


class NetworkWriter(GraphWriter):
    """Writes a coder that works on one frame and keeps the past in variables, as Lyra's do."""

    def __init__(self, rng: np.random.Generator, shape: Sequence[int]):
        super().__init__("main")
        self._rng, self._scale = rng, None  # a scale: activations are 8-bit here
        self._signal = self.input(shape)

    def finish(self) -> bytes:
        """See :meth:`GraphWriter.finish`; the output is what the last layer makes."""
        self.outputs = [self._signal]
        return super().finish()

    def _apply(self, kind: str, inputs: Sequence[int], shape: Sequence[int], options=None, scale=True) -> int:
        scale = self._scale if scale else None
        dtype = np.float32 if scale is None else np.int8
        return self.operator(kind, inputs, shape, options, dtype, scale)

    def reshape(self, shape: Sequence[int]) -> None:
        """Change the signal's shape."""
        target = self.tensor((len(shape),), np.int32(shape))
        self._signal = self._apply("RESHAPE", [self._signal, target], shape, ("ReshapeOptions", {}))

    def quantize(self) -> None:
        """Go on with 8-bit activations."""
        self._scale = STEP
        self._signal = self._apply("QUANTIZE", [self._signal], self.shape(self._signal))

    def dequantize(self) -> None:
        """Go on with float activations."""
        self._scale = None
        self._signal = self._apply("DEQUANTIZE", [self._signal], self.shape(self._signal))

    def activation(self) -> None:
        """Add a leaky ReLU."""
        options = ("LeakyReluOptions", {"Alpha": SLOPE})
        self._signal = self._apply("LEAKY_RELU", [self._signal], self.shape(self._signal), options)

    def residual_unit(self, dilation: int, groups: int = 1) -> None:
        """Add leaky ReLU, depthwise convolution, 1x1, leaky ReLU and 1x1 convolution around a skip connection."""
        skip, width = self._signal, self.shape(self._signal)[-1]
        self.activation()
        self.convolution(width, kernel=3, dilation=dilation, groups=width, depthwise=True)
        self.convolution(width)
        self.activation()
        self.convolution(width, groups=groups)
        self._signal = self._apply("ADD", [self._signal, skip], self.shape(skip), ("AddOptions", {}))

    def convolution(
        self, width: int, kernel: int = 1, stride: int = 1, dilation: int = 1, groups: int = 1, depthwise: bool = False
    ) -> None:
        """Add a causal convolution."""
        _, time, _, channels = self.shape(self._signal)
        self._with_past(dilation * (kernel - 1) + 1 - stride)
        weight = self._rng.standard_normal((width, kernel, 1, channels // groups)) / (kernel * channels / groups) ** 0.5
        if depthwise:
            weight = weight.transpose(3, 1, 2, 0)
        constants = self._constants(weight, self._bias(width), axis=3 if depthwise else 0)
        name = "DepthwiseConv2DOptions" if depthwise else "Conv2DOptions"
        options = {"Padding": 1, "StrideH": stride, "StrideW": 1, "DilationHFactor": dilation, "DilationWFactor": 1}
        if depthwise:
            options["DepthMultiplier"] = 1
        kind = "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D"
        self._signal = self._apply(kind, [self._signal, *constants], (1, time // stride, 1, width), (name, options))

    def upsampling(self, width: int, kernel: int, stride: int, groups: int = 1) -> None:
        """Add a transposed convolution, of several groups in parts; what follows has float activations."""
        _, time, _, channels = self.shape(self._signal)
        parts = [self._signal]
        if groups > 1:
            axis = self.tensor((), np.int32(3))
            shape, options = (1, time, 1, channels // groups), ("SplitOptions", {"NumSplits": groups})
            parts = self.operator(
                "SPLIT", [axis, self._signal], shape, options,
                np.float32 if self._scale is None else np.int8, self._scale, num_outputs=groups,
            )  # fmt: skip
        parts = [self._upsampled(part, width // groups, kernel, stride) for part in parts]
        self._scale, self._signal = None, parts[0]
        if groups > 1:
            shape = (1, time * stride, 1, width)
            self._signal = self._apply("CONCATENATION", parts, shape, ("ConcatenationOptions", {"Axis": 3}))

    def _upsampled(self, part: int, width: int, kernel: int, stride: int) -> int:
        _, time, _, channels = self.shape(part)
        length, overlap = (time - 1) * stride + kernel, kernel - stride
        weight = self._rng.standard_normal((width, kernel, 1, channels)) / (channels * kernel / stride) ** 0.5
        bias = self._bias(width)
        constants = self._constants(weight, bias, axis=None)
        bias = self.tensor(bias.shape, bias)
        target = self.tensor((4,), np.int32([1, length, 1, width]))
        inputs = [target, constants[0], part, constants[1]]
        options = ("TransposeConvOptions", {"Padding": 1, "StrideH": stride, "StrideW": 1})
        made = self._apply("TRANSPOSE_CONV", inputs, (1, length, 1, width), options)
        if self._scale is not None:
            made = self._apply("DEQUANTIZE", [made], (1, length, 1, width), scale=False)
        handle = self.variable((1, overlap, 1, width))
        past = self._apply("READ_VARIABLE", [handle], (1, overlap, 1, width), ("ReadVariableOptions", {}), scale=False)
        zeros = self.tensor((1, length - overlap, 1, width), np.zeros((1, length - overlap, 1, width), np.float32))
        past = self._joined([past, zeros])
        made = self._apply("ADD", [made, past], (1, length, 1, width), ("AddOptions", {}), scale=False)
        tail = self._slice(made, time * stride, length, scale=False)
        tail = self._apply("SUB", [tail, bias], (1, overlap, 1, width), ("SubOptions", {}), scale=False)
        self.operator("ASSIGN_VARIABLE", [handle, tail], None, ("AssignVariableOptions", {}))
        return self._slice(made, 0, time * stride, scale=False)

    def _with_past(self, context: int) -> None:
        """Put the last units before the frame in front of its own."""
        if not context:
            return
        _, time, _, channels = self.shape(self._signal)
        handle, options = self.variable((1, context, 1, channels)), ("ReadVariableOptions", {})
        past = self._apply("READ_VARIABLE", [handle], (1, context, 1, channels), options, scale=False)
        now = self._signal
        if self._scale is not None:  # variables are float
            now = self._apply("DEQUANTIZE", [now], self.shape(now), scale=False)
        both = self._joined([past, now])
        tail = self._slice(both, time, time + context, scale=False)
        self.operator("ASSIGN_VARIABLE", [handle, tail], None, ("AssignVariableOptions", {}))
        self._signal = both if self._scale is None else self._apply("QUANTIZE", [both], self.shape(both))

    def _joined(self, parts: Sequence[int]) -> int:
        shape = list(self.shape(parts[0]))
        shape[1] = sum(self.shape(part)[1] for part in parts)
        return self._apply("CONCATENATION", parts, shape, ("ConcatenationOptions", {"Axis": 1}), scale=False)

    def _slice(self, tensor: int, start: int, end: int, scale: bool) -> int:
        _, _, height, channels = self.shape(tensor)
        bounds = [(0, start, 0, 0), (1, end, height, channels), (1, 1, 1, 1)]
        numbers = [self.tensor((4,), np.int32(bound)) for bound in bounds]
        shape = (1, end - start, height, channels)
        return self._apply("STRIDED_SLICE", [tensor, *numbers], shape, ("StridedSliceOptions", {}), scale)

    def _bias(self, width: int) -> np.ndarray:
        return (0.1 * self._rng.standard_normal(width)).astype(np.float32)

    def _constants(self, weight: np.ndarray, bias: np.ndarray, axis: int | None) -> list[int]:
        """Add weights and bias: float32, or 8-bit with one scale for each index of ``axis`` (None: one in all)."""
        weight = weight.astype(np.float32)
        if self._scale is None:
            return [self.tensor(weight.shape, weight), self.tensor(bias.shape, bias)]
        others = tuple(index for index in range(4) if index != axis)
        scale = np.abs(weight).max(others, keepdims=True) / 127
        integers = np.rint(weight / scale).astype(np.int8)
        product = scale.reshape(-1) * np.float32(self._scale)
        bias = np.rint(bias / product).astype(np.int32)
        return [
            self.tensor(weight.shape, integers, scale=scale.reshape(-1), axis=axis or 0),
            self.tensor(bias.shape, bias, scale=product),
        ]
