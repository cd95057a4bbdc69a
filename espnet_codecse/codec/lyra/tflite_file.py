"""TensorFlow Lite files as plain data: operators, shapes, and constants as float32.

The ``tflite`` package gives the schema, and its accessors do not check offsets: everything that a damaged file makes
them raise ends in one line, and sizes are limited before anything is read.
"""

import struct
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Tuple

import numpy as np

from espnet_codecse.errors import UserError

MAX_BYTES = 64 << 20  # of a file; the largest published one has 1.8 MB
MAX_ITEMS = 20000  # tensors or operators of a graph
MAX_VALUES = 32 << 20  # of all constants that are read from a file

# What the schema's accessors raise where an offset or a length is wrong.
_DAMAGE = (struct.error, IndexError, ValueError, TypeError, ArithmeticError, AttributeError, KeyError)


@dataclass(frozen=True)
class Operator:
    """One operator of a graph.

    Attributes:
        kind: the schema's name, such as ``CONV_2D``.
        inputs, outputs: numbers of tensors.
        options: the operator's table of options, or None.
    """

    kind: str
    inputs: Tuple[int, ...]
    outputs: Tuple[int, ...]
    options: Any


class TfliteFile:
    """The graphs of one file.

    Args:
        path: the file.

    Raises:
        UserError: it cannot be read, is not a TensorFlow Lite file, is damaged or too large; or the ``tflite``
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
            graphs = [self._model.Subgraphs(index) for index in range(self._model.SubgraphsLength())]
            names = {graph.Name(): graph for graph in graphs}
        self._graphs, self._num_values = names, 0
        self.name_of_code: Dict[int, str] = {
            code: name for name, code in vars(tflite.BuiltinOperator).items() if isinstance(code, int)
        }

    def graph(self, name: str) -> "Graph":
        """Return the graph called ``name``.

        Raises:
            UserError: there is none, or the file is damaged.
        """
        found = self._graphs.get(name.encode())
        if found is None:
            raise UserError(f"{self.path}: has no graph '{name}'; not a file of Lyra V2")
        with self.checked():
            return Graph(self, self._model, found)

    @contextmanager
    def checked(self) -> Iterator[None]:
        """Turn what a damaged file makes the schema's accessors raise into one line."""
        try:
            yield
        except _DAMAGE as error:
            raise UserError(f"{self.path}: damaged ({type(error).__name__}); fetch it again") from None

    def refuse(self, reason: str) -> UserError:
        """Return the error for a file that is whole, but not what is expected."""
        return UserError(f"{self.path}: {reason}; not a file of Lyra V2")

    def count(self, num_values: int) -> None:
        """Note that ``num_values`` constants are going to be read: tensors may share one stretch of the file.

        Raises:
            UserError: that would be too many.
        """
        self._num_values += num_values
        if self._num_values > MAX_VALUES:
            raise UserError(f"{self.path}: holds more than {MAX_VALUES} values; refused")


class Graph:
    """One graph: its operators in the order in which they run, and its tensors by number.

    Raises:
        UserError: more tensors or operators than :data:`MAX_ITEMS`.
    """

    def __init__(self, file: TfliteFile, model: Any, graph: Any):
        self.file, self._model, self._graph = file, model, graph
        if max(graph.OperatorsLength(), graph.TensorsLength()) > MAX_ITEMS:
            raise UserError(f"{file.path}: a graph of more than {MAX_ITEMS} operators or tensors; refused")
        self.inputs, self.outputs = _numbers(graph, "Inputs"), _numbers(graph, "Outputs")
        self.operators: List[Operator] = [self._operator(index) for index in range(graph.OperatorsLength())]

    def shape(self, tensor: int) -> Tuple[int, ...]:
        """Return the shape of a tensor."""
        with self.file.checked():
            return _numbers(self._tensor(tensor), "Shape")

    def constant(self, tensor: int) -> Optional[np.ndarray]:
        """Return the values of a tensor that the file holds, as float32 of its shape; None for any other.

        Integers with a scale are dequantised: ``scale * (integer - zero point)``, one scale for all of them or one
        for each index of one axis.

        Raises:
            UserError: values and shape contradict each other, or there are too many.
        """
        import tflite

        with self.file.checked():
            found = self._tensor(tensor)
            data = self._model.Buffers(found.Buffer())
            if not data.DataLength():
                return None
            types = {
                tflite.TensorType.FLOAT32: "<f4", tflite.TensorType.INT32: "<i4", tflite.TensorType.INT8: "<i1",
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
        # Codes below 127 are stored in a field of one byte too, by old writers only there.
        kind = self.file.name_of_code[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
        options = _options(operator)
        return Operator(kind, _numbers(operator, "Inputs"), _numbers(operator, "Outputs"), options)


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


def _numbers(table: Any, field: str) -> Tuple[int, ...]:
    """Return a vector of whole numbers; the schema's accessors give the number 0 for one without entries."""
    if not getattr(table, f"{field}Length")():
        return ()
    return tuple(getattr(table, f"{field}AsNumpy")().tolist())


def _options(operator: Any) -> Any:
    import tflite

    names = {
        number: name for name, number in vars(tflite.BuiltinOptions).items() if isinstance(number, int) and number
    }
    table, name = operator.BuiltinOptions(), names.get(operator.BuiltinOptionsType())
    if table is None or name is None:
        return None
    options = getattr(tflite, name)()
    options.Init(table.Bytes, table.Pos)
    return options


def _dequantized(values: np.ndarray, quantization: Any) -> np.ndarray:
    scale = quantization.ScaleAsNumpy().astype(np.float32)
    zero_point = np.zeros_like(scale)
    if quantization.ZeroPointLength():
        zero_point = quantization.ZeroPointAsNumpy().astype(np.float32)
    if len(scale) > 1:
        shape = [1] * values.ndim
        shape[quantization.QuantizedDimension()] = -1
        scale, zero_point = scale.reshape(shape), zero_point.reshape(shape)
    return scale * (values - zero_point)
