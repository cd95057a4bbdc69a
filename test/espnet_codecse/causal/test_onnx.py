"""The exported graph by onnxruntime against the network by PyTorch."""

import numpy as np
import pytest
import torch

from espnet_codecse.causal.framing import Compression
from espnet_codecse.causal.gcrn import GCRN
from espnet_codecse.causal.onnx import OnnxFrames, export_onnx, flatten, quantize_onnx, silent_state, unflatten
from espnet_codecse.causal.streaming import StreamingEnhancer, TorchFrames
from espnet_codecse.errors import UserError

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
pytestmark = pytest.mark.slow
COMPRESSION = Compression(0.5, 0.15)


def network(**options) -> GCRN:
    torch.manual_seed(0)
    return GCRN(channels=(2, 2, 4, 4, 4), **options).eval()


@pytest.fixture(scope="module", params=[{}, {"condition": "student", "embedding_size": 6}, {"output": "mask"}])
def exported(request, tmp_path_factory):
    model = network(**request.param)
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    export_onnx(model, COMPRESSION, path)
    return model, path


def stream(frames, compression, samples) -> np.ndarray:
    enhancer = StreamingEnhancer(frames, compression)
    pieces = [enhancer.process(samples[start : start + 333]) for start in range(0, len(samples), 333)]
    return np.concatenate([*pieces, enhancer.flush()])


def test_as_by_pytorch(exported):
    model, path = exported
    samples = 0.1 * np.random.default_rng(0).standard_normal(6000).astype(np.float32)
    frames = OnnxFrames(path)
    assert frames.compression == COMPRESSION
    expected = stream(TorchFrames(model), COMPRESSION, samples)
    np.testing.assert_allclose(stream(frames, frames.compression, samples), expected, atol=1e-5)
    np.testing.assert_allclose(stream(frames, frames.compression, samples), expected, atol=1e-5)  # after its reset


def test_in_eight_bits(exported, tmp_path):
    model, path = exported
    quantize_onnx(path, tmp_path / "int8.onnx")
    operators = [node.op_type for node in onnx.load(tmp_path / "int8.onnx").graph.node]
    assert operators.count("DynamicQuantizeLSTM") == 8 and "LSTM" not in operators and "MatMulInteger" in operators
    samples = 0.1 * np.random.default_rng(0).standard_normal(6000).astype(np.float32)
    frames = OnnxFrames(tmp_path / "int8.onnx")
    expected = stream(TorchFrames(model), COMPRESSION, samples)
    difference = np.abs(stream(frames, frames.compression, samples) - expected).max()
    assert 0 < difference < 0.5 * np.abs(expected).max()


def test_the_state_in_a_row_and_back():
    model = network()
    state = silent_state(model)
    tensors = flatten(state)
    assert len(tensors) == 5 + 16 + 10 and all(not tensor.any() for tensor in tensors)
    again = flatten(unflatten(tensors, model))
    assert all(one is other for one, other in zip(tensors, again))


def test_what_is_refused(tmp_path):
    with pytest.raises(UserError, match="needs a teacher's features"):
        export_onnx(network(condition="teacher", embedding_size=4), COMPRESSION, tmp_path / "model.onnx")
    (tmp_path / "broken.onnx").write_bytes(b"nothing")
    with pytest.raises(UserError, match="broken.onnx: no graph of codecse export_onnx"):
        OnnxFrames(tmp_path / "broken.onnx")
