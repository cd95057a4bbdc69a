"""The causal model that the package carries, and its graphs."""

import numpy as np
import pytest
from voices import spoken

from espnet_codecse import SpeechEnhancer, SpeechStream
from espnet_codecse.bin import stream
from espnet_codecse.codec.resolve import PRETRAINED
from espnet_codecse.metrics.sdr import si_sdr
from espnet_codecse.zoo.find import find_model
from espnet_codecse.zoo.verify import verify_pack

RATE = 16000
GRAPHS = {"causal.onnx": 60.0, "causal.int8.onnx": 15.0}  # least SI-SDR to the network's output, dB


@pytest.fixture(scope="module")
def noisy():
    """Synthesised speech with noise at 5 dB: ``(clean, noisy)``."""
    clean = spoken()
    noise = np.random.default_rng(0).standard_normal(len(clean))
    noise = np.convolve(noise, [1, 0.9, 0.7, 0.5], "same")
    noise *= np.sqrt((clean**2).mean() / (noise**2).mean() / 10**0.5)
    return clean, (clean + noise).astype(np.float32)


def streamed(model, samples, block=256):
    enhancer = SpeechStream.from_pretrained(model)
    pieces = [enhancer.process(samples[start : start + block]) for start in range(0, len(samples), block)]
    return np.concatenate([*pieces, enhancer.flush()]), enhancer


def test_card_and_files_belong_together():
    assert any("causal" in line for line in verify_pack(PRETRAINED / "causal"))
    model = find_model("causal")
    assert model.manifest["num_parameters"] < 3e6 and model.manifest["codec"] is None
    card = (PRETRAINED / "causal" / "README.md").read_text()
    figures = model.manifest["figures"]
    for name, decimals in (("PESQ", 2), ("STOI", 3), ("SI_SDR", 2), ("DNSMOS_OVRL", 2), ("DNSMOS_BAK", 2)):
        for kind in ("noisy", "enhanced"):
            assert f"{figures[kind][name]:.{decimals}f}" in card, (kind, name)


def test_it_enhances_32_ms_behind_its_input(noisy):
    clean, mixture = noisy
    enhanced, enhancer = streamed("causal", mixture)
    assert enhancer.latency_seconds <= 0.032 and enhancer.hop == 256
    assert si_sdr(clean, enhanced) > si_sdr(clean, mixture) + 2.5
    whole = SpeechEnhancer.from_pretrained("causal", dtype="float32").enhance(mixture, RATE)
    np.testing.assert_allclose(enhanced, whole, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("graph", GRAPHS)
def test_its_graphs_give_the_same(noisy, graph):
    pytest.importorskip("onnxruntime")
    assert b'File "' not in (PRETRAINED / graph).read_bytes()
    expected, _ = streamed("causal", noisy[1])
    found, enhancer = streamed(str(PRETRAINED / graph), noisy[1])
    assert enhancer.hop == 256 and si_sdr(expected, found) > GRAPHS[graph]


def test_streams_take_it_without_being_told(tmp_path, noisy):
    import soundfile

    soundfile.write(tmp_path / "noisy.wav", noisy[1], RATE)
    stream.main([str(tmp_path / "noisy.wav"), str(tmp_path / "out.wav")])
    expected, _ = streamed("causal", soundfile.read(tmp_path / "noisy.wav", dtype="float32")[0])
    np.testing.assert_allclose(soundfile.read(tmp_path / "out.wav")[0], expected, atol=1e-4)
