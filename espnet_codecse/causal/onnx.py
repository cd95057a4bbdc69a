"""Causal networks as ONNX graphs: a hop of samples in, a hop of enhanced samples out, with the state beside them."""

import tempfile
from pathlib import Path

import numpy as np
import torch

from espnet_codecse.causal.abs_network import AbsCausalNetwork
from espnet_codecse.causal.framing import SAMPLE_RATE, STFTSettings
from espnet_codecse.causal.streaming import AbsStream
from espnet_codecse.causal.waveform_step import WaveformStep
from espnet_codecse.errors import UserError
from espnet_codecse.fileio import atomic_path
from espnet_codecse.onnx_step import OnnxStep, export_step, not_a_graph

INPUT, OUTPUT = "samples", "enhanced"
METADATA = ("sample_rate", "hop", "window_size", "fft_size")


def export_onnx(network: AbsCausalNetwork, settings: STFTSettings, path: Path) -> None:
    """Write the graph that processes one hop.

    The inputs are ``samples (1, hop)`` and ``state_0`` ..., zeros at first; the outputs are ``enhanced (1, hop)``,
    which is ``window_size - hop`` samples behind the input, and ``next_0`` ..., which have the same shapes. The
    metadata are :data:`METADATA`: Hz, then numbers of samples.

    Raises:
        UserError: the network takes a teacher's features, or the exporter is not installed.
    """
    if network.condition == "teacher":
        raise UserError(f"--output {path}: the network needs a teacher's features, which no stream has")
    step = WaveformStep(network.cpu().eval(), settings)
    values = (SAMPLE_RATE, settings.hop, settings.window_size, settings.fft_size)
    metadata = dict(zip(METADATA, map(str, values)))
    export_step(step, (INPUT, torch.zeros(1, settings.hop)), step.silent_state(), [OUTPUT], metadata, path)


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


class OnnxStream(AbsStream):
    """Enhance a stream by a graph with onnxruntime.

    It returns what :class:`espnet_codecse.causal.streaming.StreamingEnhancer` does, whose frames it uses.

    Args:
        graph: graph of :func:`export_onnx`.

    Raises:
        UserError: it is not such a graph.
    """

    def __init__(self, graph: OnnxStep):
        self._step = graph
        try:
            sample_rate, hop, window_size, fft_size = (int(graph.metadata[name]) for name in METADATA)
            settings = STFTSettings(window_size, hop, fft_size)
            if sample_rate != SAMPLE_RATE:
                raise ValueError(f"its sample rate is {sample_rate} Hz")
        except (KeyError, ValueError) as error:
            raise not_a_graph(graph.path, error) from None
        # The first hop begins where the first frame of the other stream does.
        self._num_before = window_size // 2 + settings.lead - (window_size - hop)
        super().__init__(settings)

    def reset(self) -> None:
        """Start a new recording."""
        super().reset()
        self._step.reset()
        self._waiting = np.zeros(self._num_before, np.float32)
        self._skip = self._num_before + self._settings.window_size - self.hop

    def _advance(self, samples: np.ndarray) -> np.ndarray:
        waiting = np.concatenate([self._waiting, samples]).astype(np.float32, copy=False)
        num_hops = len(waiting) // self.hop
        self._waiting = waiting[num_hops * self.hop :]
        hops = waiting[: num_hops * self.hop].reshape(num_hops, 1, self.hop)
        final = np.concatenate([np.zeros(0, np.float32), *(self._step(samples)[0][0] for samples in hops)])
        skipped = min(self._skip, len(final))
        self._skip -= skipped
        return final[skipped:]
