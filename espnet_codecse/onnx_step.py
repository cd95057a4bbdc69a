"""A network that processes a stream step by step, as an ONNX graph whose state is passed in and out.

The inputs of such a graph are one signal and ``state_0`` ...; the outputs are results and ``next_0`` ..., which have
the shapes of the states. What else a stream needs is in the metadata.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from espnet_codecse.errors import UserError
from espnet_codecse.fileio import atomic_path

OPSET = 18


def export_step(
    module: torch.nn.Module,
    signal: tuple[str, torch.Tensor],
    state: Sequence[torch.Tensor],
    outputs: Sequence[str],
    metadata: Mapping[str, str],
    path: Path,
) -> None:
    """Write the graph of one step.

    Args:
        module: maps ``(signal, *state)`` to ``(*outputs, *next state)``.
        signal: name and an example of the input.
        state: an example of each state.
        outputs: names of the results.
        metadata: metadata of the graph.
        path: the file.

    Raises:
        UserError: the exporter is not installed.
    """
    try:
        import onnx
        import onnxscript  # noqa: F401  torch.onnx needs it to export
    except ImportError as error:
        raise UserError(f"--output {path}: the exporter needs {error.name}; pip install onnx onnxscript") from None
    name, example = signal
    program = torch.onnx.export(
        module.eval(),
        (example, *state),
        input_names=[name, *(f"state_{index}" for index in range(len(state)))],
        output_names=[*outputs, *(f"next_{index}" for index in range(len(state)))],
        opset_version=OPSET,
        dynamo=True,
        verbose=False,
        external_data=False,
    )
    model = program.model_proto
    _forget_source(model.graph)
    for key, value in metadata.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    with atomic_path(path) as temporary:
        onnx.save(model, temporary)


def _forget_source(graph: Any) -> None:
    """Remove the exporter's notes on where each node comes from: they hold paths of the machine that exports."""
    for node in graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
        for attribute in node.attribute:
            if attribute.HasField("g"):
                _forget_source(attribute.g)
    for value in (*graph.input, *graph.output, *graph.value_info, *graph.initializer):
        del value.metadata_props[:]
        value.doc_string = ""


class OnnxStep:
    """Run a graph with onnxruntime on one thread, and keep its state between calls.

    Args:
        path: file written by :func:`export_step`.

    Attributes:
        path: the file.
        metadata: metadata of the graph.

    Raises:
        UserError: the file is not such a graph.
    """

    def __init__(self, path: Path):
        import onnxruntime

        self.path = path
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
            self.metadata: dict[str, str] = self._session.get_modelmeta().custom_metadata_map
            (self._signal,) = (item.name for item in self._session.get_inputs() if not item.name.startswith("state_"))
            self._shapes = {item.name: item.shape for item in self._session.get_inputs() if item.name != self._signal}
            self.reset()
        except Exception as error:  # onnxruntime has its own exception types
            raise not_a_graph(path, error) from None

    def reset(self) -> None:
        """Start a new stream."""
        self._state = {name: np.zeros(shape, np.float32) for name, shape in self._shapes.items()}

    def __call__(self, signal: np.ndarray) -> list[np.ndarray]:
        """Return the results for the next ``signal``, which has the shape of the example."""
        outputs = self._session.run(None, {self._signal: np.ascontiguousarray(signal), **self._state})
        num_results = len(outputs) - len(self._shapes)
        self._state = dict(zip(self._shapes, outputs[num_results:]))
        return outputs[:num_results]


def not_a_graph(path: Path, error: Exception) -> UserError:
    """Return the error for a file that is no such graph, with the reason on one line."""
    reason = " ".join(str(error).split())[:200]
    return UserError(f"{path}: no graph of codecse export_onnx ({reason}); export the model again")
