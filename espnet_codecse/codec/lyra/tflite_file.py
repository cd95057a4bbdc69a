"""Read TensorFlow Lite files as plain data: operators, shapes, and constants as float32.

The ``tflite`` package provides the schema, but its accessors do not check offsets. All errors that a damaged file
causes there become a UserError, and sizes are limited before anything is read.
"""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from espnet_codecse.errors import UserError

MAX_BYTES = 64 << 20  # bytes per file; the largest published one has 1.8 MB
MAX_ITEMS = 5000  # graphs per file, and tensors or operators per graph; the largest published graph has 704 tensors
MAX_NUMBERS = 256  # inputs or outputs of an operator, or dimensions of a tensor
MAX_VALUES = 32 << 20  # values of all constants that are read from a file

# Exceptions that the schema's accessors raise if an offset or a length is wrong.
_DAMAGE = (struct.error, IndexError, ValueError, TypeError, ArithmeticError, AttributeError, KeyError)


@dataclass(frozen=True)
class Operator:
    """One operator of a graph.

    Attributes:
        kind: name in the schema, such as ``CONV_2D``.
        inputs, outputs: indices of tensors.
        options: table of the operator's options, or None.
    """

    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Any


class TfliteFile:
    """The graphs of one file.

    Args:
        path: the file.

    Raises:
        UserError: the file cannot be read, is not a TensorFlow Lite file, or is damaged or too large; or the ``tflite``
            package is not installed.
    """

    def __init__(self, path: Path):
        try:
            import tflite
        except ImportError:
            raise UserError(f"{path}: reading it needs the package tflite; pip install tflite") from None
        self.path = path
        content = _content(path)
        with self.checked():
            self._model = tflite.Model.GetRootAs(content, 0)
            graphs = [self._model.Subgraphs(index) for index in range(min(self._model.SubgraphsLength(), MAX_ITEMS))]
            self._graphs = {graph.Name(): graph for graph in graphs}
        self._num_values = 0

    def graph(self, name: str) -> "Graph":
        """Return the graph called ``name``.

        Raises:
            UserError: there is no such graph, or the file is damaged.
        """
        found = self._graphs.get(name.encode())
        if found is None:
            raise UserError(f"{self.path}: has no graph '{name}'; not a file of Lyra V2")
        with self.checked():
            return Graph(self, self._model, found)

    @contextmanager
    def checked(self) -> Iterator[None]:
        """Convert the errors that a damaged file causes in the schema's accessors to a UserError."""
        try:
            yield
        except _DAMAGE as error:
            raise UserError(f"{self.path}: damaged ({type(error).__name__}); fetch it again") from None

    def refuse(self, reason: str) -> UserError:
        """Return the error for a file that is intact but has unexpected content."""
        return UserError(f"{self.path}: {reason}; not a file of Lyra V2")

    def count(self, num_values: int) -> None:
        """Count ``num_values`` constants before they are read, because tensors may share a part of the file.

        Raises:
            UserError: the total is too large.
        """
        self._num_values += num_values
        if self._num_values > MAX_VALUES:
            raise UserError(f"{self.path}: holds more than {MAX_VALUES} values; refused")


class Graph:
    """One graph: its operators in the order of execution, and its tensors by index.

    Raises:
        UserError: the graph has more tensors or operators than :data:`MAX_ITEMS`.
    """

    def __init__(self, file: TfliteFile, model: Any, graph: Any):
        self.file, self._model, self._graph = file, model, graph
        if max(graph.OperatorsLength(), graph.TensorsLength()) > MAX_ITEMS:
            raise UserError(f"{file.path}: a graph of more than {MAX_ITEMS} operators or tensors; refused")
        self.inputs, self.outputs = _numbers(graph, "Inputs"), _numbers(graph, "Outputs")
        self.operators: list[Operator] = [self._operator(index) for index in range(graph.OperatorsLength())]

    def shape(self, tensor: int) -> tuple[int, ...]:
        """Return the shape of a tensor."""
        with self.file.checked():
            return _numbers(self._tensor(tensor), "Shape")

    def constant(self, tensor: int) -> np.ndarray | None:
        """Return the values of a constant tensor as float32 in its shape, or None if the tensor is not a constant.

        Integers with a scale are dequantised, ``scale * (integer - zero point)``, with one scale for all values or one
        per index of an axis.

        Raises:
            UserError: the number of values does not match the shape, or is too large.
        """
        import tflite

        with self.file.checked():
            found = self._tensor(tensor)
            data = self._model.Buffers(found.Buffer())
            if not data.DataLength():
                return None
            types = {
                tflite.TensorType.FLOAT32: "<f4",
                tflite.TensorType.INT32: "<i4",
                tflite.TensorType.INT8: "<i1",
                tflite.TensorType.INT64: "<i8",
            }
            values = data.DataAsNumpy().view(types[found.Type()])
            self.file.count(len(values))
            values = values.reshape(self.shape(tensor)).astype(np.float32)
            quantization = found.Quantization()
            if quantization is not None and quantization.ScaleLength():
                values = _dequantized(values, quantization)
            if not np.isfinite(values).all():
                raise self.file.refuse(f"tensor {tensor} holds values that are no numbers")
            return values

    def _tensor(self, number: int) -> Any:
        if not 0 <= number < self._graph.TensorsLength():
            raise IndexError(number)
        return self._graph.Tensors(number)

    def _operator(self, index: int) -> Operator:
        operator = self._graph.Operators(index)
        code = self._model.OperatorCodes(operator.OpcodeIndex())
        # Old writers use only the one-byte field, which is 127 for all larger codes.
        kind = _names("BuiltinOperator")[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
        return Operator(kind, _numbers(operator, "Inputs"), _numbers(operator, "Outputs"), _options(operator))


def _content(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise UserError(f"{path}: {size} bytes, the limit is {MAX_BYTES}; refused")
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    if content[4:8] != b"TFL3":
        raise UserError(f"{path}: not a TensorFlow Lite file; fetch it again")
    return content


@cache
def _names(enumeration: str) -> dict[int, str]:
    """Return ``{number: name}`` of an enumeration of the schema."""
    import tflite

    items = vars(getattr(tflite, enumeration)).items()
    return {number: name for name, number in items if isinstance(number, int)}


def _numbers(table: Any, field: str) -> tuple[int, ...]:
    """Return a vector of integers."""
    length = getattr(table, f"{field}Length")()
    if length > MAX_NUMBERS:
        raise ValueError(length)
    # For an empty vector, the schema's accessor returns the number 0.
    return tuple(getattr(table, f"{field}AsNumpy")().tolist()) if length else ()


def _options(operator: Any) -> Any:
    import tflite

    table, kind = operator.BuiltinOptions(), operator.BuiltinOptionsType()
    if table is None or not kind:
        return None
    options = getattr(tflite, _names("BuiltinOptions")[kind])()
    options.Init(table.Bytes, table.Pos)
    return options


def _dequantized(values: np.ndarray, quantization: Any) -> np.ndarray:
    scale = quantization.ScaleAsNumpy().astype(np.float32)
    zero_point = np.zeros_like(scale)
    if quantization.ZeroPointLength():
        zero_point = quantization.ZeroPointAsNumpy().astype(np.float32)
    if len(scale) > 1:
        axis, shape = quantization.QuantizedDimension(), [1] * values.ndim
        if len(scale) != values.shape[axis]:  # NumPy would broadcast to any size
            raise ValueError(len(scale))
        shape[axis] = -1
        scale, zero_point = scale.reshape(shape), zero_point.reshape(shape)
    return scale * (values - zero_point)
