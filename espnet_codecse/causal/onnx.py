"""The causal network as an ONNX graph of one frame, with its state as inputs and outputs."""

import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import nn

from espnet_codecse.causal.framing import Compression
from espnet_codecse.causal.gcrn import GCRN, NUM_BINS, GCRNState
from espnet_codecse.errors import UserError
from espnet_codecse.fileio import atomic_path

INPUT, OUTPUT = "spectrum", "enhanced"
METADATA = ("exponent", "factor")
OPSET = 18


def flatten(state: GCRNState) -> list[torch.Tensor]:
    """Return the tensors of a state in a fixed order."""
    return [*state.encoder, *(tensor for pair in state.recurrent for tensor in pair), *state.decoders]


def unflatten(tensors: list[torch.Tensor], network: GCRN) -> GCRNState:
    """Return the state of ``network``; the inverse of :func:`flatten`."""
    num_layers = len(network.encoder)
    encoder, decoders = tensors[:num_layers], tensors[len(tensors) - 2 * num_layers :]
    recurrent = tensors[num_layers : len(tensors) - 2 * num_layers]
    return GCRNState(list(encoder), list(zip(recurrent[::2], recurrent[1::2])), list(decoders))


def silent_state(network: GCRN) -> GCRNState:
    """Return the state of a network before the first frame."""
    with torch.no_grad():
        state = network(torch.zeros(1, 2, 1, NUM_BINS))[2]
    return unflatten([torch.zeros_like(tensor) for tensor in flatten(state)], network)


class _Frame(nn.Module):
    def __init__(self, network: GCRN):
        super().__init__()
        self.network = network

    def forward(self, spectrum: torch.Tensor, *tensors: torch.Tensor):
        enhanced, _, state = self.network(spectrum, None, unflatten(list(tensors), self.network))
        return (enhanced, *flatten(state))


def export_onnx(network: GCRN, compression: Compression, path: Path) -> None:
    """Write the graph that processes one frame.

    The inputs are ``spectrum (1, 2, 1, 257)``, real and imaginary part, and ``state_0`` ...; the outputs are
    ``enhanced`` and ``next_0`` ..., which have the same shapes. The metadata contain the compression of the spectra.

    Raises:
        UserError: the network takes a teacher's features, or the exporter is not installed.
    """
    try:
        import onnx
        import onnxscript  # noqa: F401  torch.onnx needs it to export
    except ImportError as error:
        raise UserError(f"--output {path}: the exporter needs {error.name}; pip install onnx onnxscript") from None
    if network.condition == "teacher":
        raise UserError(f"--output {path}: the network needs a teacher's features, which no stream has")
    network = network.cpu().eval()
    tensors = flatten(silent_state(network))
    names = [[INPUT, *(f"state_{index}" for index in range(len(tensors)))]]
    names.append([OUTPUT, *(f"next_{index}" for index in range(len(tensors)))])
    program = torch.onnx.export(
        _Frame(network).eval(),
        (torch.zeros(1, 2, 1, NUM_BINS), *tensors),
        input_names=names[0],
        output_names=names[1],
        opset_version=OPSET,
        dynamo=True,
        verbose=False,
        external_data=False,
    )
    model = program.model_proto
    for name in METADATA:
        entry = model.metadata_props.add()
        entry.key, entry.value = name, repr(float(getattr(compression, name)))
    with atomic_path(path) as temporary:
        onnx.save(model, temporary)


def quantize_onnx(path: Path, output: Path) -> None:
    """Write the graph with its matrices as 8-bit integers; activations are quantised dynamically."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with atomic_path(output) as temporary, tempfile.TemporaryDirectory(prefix="codecse_onnx.") as folder:
        # Only constants are quantised, but the exported graph concatenates the LSTMs' matrices at run time. Fold them.
        folded = Path(folder) / "folded.onnx"
        quant_pre_process(str(path), str(folded), skip_symbolic_shape=True)
        kinds = ["MatMul", "Gemm", "LSTM"]
        quantize_dynamic(str(folded), str(temporary), weight_type=QuantType.QInt8, op_types_to_quantize=kinds)
        model, source = onnx.load(str(temporary)), onnx.load(str(path))
        if not model.metadata_props:
            model.metadata_props.extend(source.metadata_props)
            onnx.save(model, str(temporary))


class OnnxFrames:
    """Run a graph with onnxruntime on one thread; see :class:`espnet_codecse.causal.streaming.FrameModel`.

    Args:
        path: file written by :func:`export_onnx`.

    Attributes:
        compression: compression of the spectra.

    Raises:
        UserError: the file is not such a graph.
    """

    def __init__(self, path: Path):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
            properties = self._session.get_modelmeta().custom_metadata_map
            self.compression = Compression(*(float(properties[name]) for name in METADATA))
        except Exception as error:  # onnxruntime has its own exception types
            reason = " ".join(str(error).split())[:200]
            raise UserError(f"{path}: no graph of codecse export_onnx ({reason}); export the model again") from None
        self._shapes = {item.name: item.shape for item in self._session.get_inputs() if item.name != INPUT}
        self.reset()

    def reset(self) -> None:
        """Start a new recording."""
        self._state = {name: np.zeros(shape, np.float32) for name, shape in self._shapes.items()}

    def __call__(self, spectrum: np.ndarray) -> np.ndarray:
        """Return the enhanced frames for ``(2, frame, bin)``."""
        frames = []
        for index in range(spectrum.shape[1]):
            inputs = {INPUT: np.ascontiguousarray(spectrum[None, :, index : index + 1]), **self._state}
            enhanced, *following = self._session.run(None, inputs)
            self._state = dict(zip(self._shapes, following))
            frames.append(enhanced[0])
        return np.concatenate(frames, axis=1)
