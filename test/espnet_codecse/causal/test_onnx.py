"""The exported graph by onnxruntime against the network by PyTorch."""

import numpy as np
import pytest
import torch
from random_weights import randomized

from espnet_codecse.causal.dpcrn import DPCRN
from espnet_codecse.causal.framing import STFTSettings
from espnet_codecse.causal.gcrn import GCRN
from espnet_codecse.causal.onnx import OnnxStream, export_onnx, quantize_onnx
from espnet_codecse.causal.streaming import StreamingEnhancer, TorchFrames
from espnet_codecse.errors import UserError
from espnet_codecse.onnx_step import OnnxStep

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
pytestmark = pytest.mark.slow
SETTINGS = STFTSettings(exponent=0.5, factor=0.15), STFTSettings(512, 256, 512, 0.3, 0.2)


def gcrn(**options) -> GCRN:
    torch.manual_seed(0)
    return GCRN(channels=(2, 2, 4, 4, 4), **options).eval()


def dpcrn(**options) -> DPCRN:
    torch.manual_seed(0)
    return randomized(DPCRN(channels=(2, 4), num_blocks=2, band_hidden_size=4, frame_hidden_size=5, **options).eval())


NETWORKS = {
    "gcrn": (gcrn, SETTINGS[0], 8),
    "student": (lambda: gcrn(condition="student", embedding_size=6), SETTINGS[0], 8),
    "mask": (lambda: gcrn(output="mask"), SETTINGS[0], 8),
    "dpcrn": (dpcrn, SETTINGS[1], 4),
    "full band": (lambda: dpcrn(full_band_size=6), SETTINGS[1], 6),
}


@pytest.fixture(scope="module", params=NETWORKS)
def exported(request, tmp_path_factory):
    build, settings, num_lstms = NETWORKS[request.param]
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    model = build()
    export_onnx(model, settings, path)
    return model, settings, num_lstms, path


def stream(enhancer, samples) -> np.ndarray:
    pieces = [enhancer.process(samples[start : start + 333]) for start in range(0, len(samples), 333)]
    return np.concatenate([*pieces, enhancer.flush()])


def test_as_by_pytorch(exported):
    model, settings, _, path = exported
    samples = 0.1 * np.random.default_rng(0).standard_normal(6000).astype(np.float32)
    by_graph, by_torch = OnnxStream(OnnxStep(path)), StreamingEnhancer(TorchFrames(model), settings)
    assert (by_graph.hop, by_graph.latency_samples) == (by_torch.hop, by_torch.latency_samples)
    assert by_graph._step.metadata["sample_rate"] == "16000"
    expected = stream(by_torch, samples)
    np.testing.assert_allclose(stream(by_graph, samples), expected, atol=1e-5)
    np.testing.assert_allclose(stream(by_graph, samples), expected, atol=1e-5)  # after its reset
    samples[[5, 700]] = np.nan, np.inf
    silenced = np.nan_to_num(samples, posinf=0)
    np.testing.assert_array_equal(stream(by_graph, samples), stream(by_graph, silenced))
    assert by_graph.num_not_finite == 2 and len(stream(by_graph, samples[:1])) == 1


def test_a_graph_names_no_file_of_the_machine_that_exports(exported):
    assert b'File "' not in exported[-1].read_bytes()


def test_a_graph_alone_needs_nothing_but_samples(exported):
    model, settings, _, path = exported
    samples = 0.1 * np.random.default_rng(0).standard_normal(30 * settings.hop).astype(np.float32)
    step = OnnxStep(path)
    found = np.concatenate([step(hop[None])[0][0] for hop in samples.reshape(-1, settings.hop)])
    assert found.shape == samples.shape and np.abs(found).max() < 10 * np.abs(samples).max()
    delay = settings.window_size - settings.hop
    expected = stream(StreamingEnhancer(TorchFrames(model), settings), samples)
    # The frames are others than a stream's if a hop does not divide the window; the network starts without silence.
    if settings.window_size % settings.hop == 0:
        start = 8 * settings.hop
        np.testing.assert_allclose(found[start + delay :], expected[start:-delay], atol=1e-3)


def test_in_eight_bits(exported, tmp_path):
    model, settings, num_lstms, path = exported
    quantize_onnx(path, tmp_path / "int8.onnx")
    operators = [node.op_type for node in onnx.load(tmp_path / "int8.onnx").graph.node]
    assert (
        operators.count("DynamicQuantizeLSTM") == num_lstms and "LSTM" not in operators and "MatMulInteger" in operators
    )
    samples = 0.1 * np.random.default_rng(0).standard_normal(6000).astype(np.float32)
    expected = stream(StreamingEnhancer(TorchFrames(model), settings), samples)
    difference = np.abs(stream(OnnxStream(OnnxStep(tmp_path / "int8.onnx")), samples) - expected).max()
    assert 0 < difference < 0.5 * np.abs(expected).max()


def test_the_state_in_a_row_and_back():
    for model, number in ((gcrn(), 5 + 16 + 10), (dpcrn(full_band_size=6), 2 + 2 * 2 + 2 + 1)):
        tensors = model.silent_state()
        assert len(tensors) == number and all(not tensor.any() for tensor in tensors)
        again = model.flatten(model.unflatten(tensors))
        assert all(one is other for one, other in zip(tensors, again))


def test_what_is_refused(tmp_path):
    with pytest.raises(UserError, match="needs a teacher's features"):
        export_onnx(gcrn(condition="teacher", embedding_size=4), SETTINGS[0], tmp_path / "model.onnx")
    (tmp_path / "broken.onnx").write_bytes(b"nothing")
    with pytest.raises(UserError, match="broken.onnx: no graph of codecse export_onnx"):
        OnnxStream(OnnxStep(tmp_path / "broken.onnx"))
