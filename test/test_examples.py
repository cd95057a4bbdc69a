"""The examples do outside of the package what a stream does: in Python without it, and in a browser."""

import functools
import http.server
import json
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from chromium import Browser, find_chromium

from espnet_codecse.causal.dpcrn import DPCRN
from espnet_codecse.causal.framing import STFTSettings

pytestmark = pytest.mark.slow
EXAMPLES = Path(__file__).parent.parent / "examples"
SETTINGS = STFTSettings(512, 256, 512, 0.5, 0.15)


@pytest.fixture(scope="module")
def network() -> DPCRN:
    torch.manual_seed(0)
    return DPCRN(channels=(4, 6), band_hidden_size=5, frame_hidden_size=7).eval()


@pytest.fixture(scope="module")
def graph(network, tmp_path_factory) -> Path:
    pytest.importorskip("onnxscript")
    from espnet_codecse.causal.onnx import export_onnx

    path = tmp_path_factory.mktemp("graph") / "causal.onnx"
    export_onnx(network, SETTINGS, path)
    return path


@pytest.fixture
def noisy(voice, tmp_path) -> Path:
    soundfile.write(tmp_path / "noisy.wav", voice(12345, 0), 16000, subtype="PCM_16")
    return tmp_path / "noisy.wav"


def enhanced_by_example(graph: Path, source: Path, target: Path) -> np.ndarray:
    """In a process that cannot import PyTorch or the package."""
    hidden = "import sys, runpy; sys.modules['torch'] = sys.modules['espnet_codecse'] = None; sys.argv = sys.argv[1:]; "
    command = [sys.executable, "-c", hidden + "runpy.run_path(sys.argv[0], run_name='__main__')"]
    command += [str(EXAMPLES / "enhance_with_onnxruntime.py"), str(graph), str(source), str(target)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return soundfile.read(target, dtype="float32")[0]


def test_in_python_without_the_package(network, graph, noisy, tmp_path):
    from espnet_codecse.causal.streaming import StreamingEnhancer, TorchFrames

    found = enhanced_by_example(graph, noisy, tmp_path / "enhanced.wav")
    samples = soundfile.read(noisy, dtype="float32")[0]
    stream = StreamingEnhancer(TorchFrames(network), SETTINGS)
    expected = np.concatenate([stream.process(samples), stream.flush()])
    assert found.shape == expected.shape
    # A stream begins with a frame of silence, which the example leaves out.
    np.testing.assert_allclose(found[2048:], expected[2048:], atol=1e-3)


class _QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def page(graph, noisy, tmp_path):
    """Address of the example in a folder with onnxruntime-web, the graph and a recording."""
    if shutil.which("npm") is None:
        pytest.skip("no npm here, which brings onnxruntime-web")
    folder = tmp_path / "page"
    shutil.copytree(EXAMPLES / "causal_browser", folder, ignore=shutil.ignore_patterns("node_modules"))
    command = ["npm", "install", "--no-audit", "--no-fund"]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    if result.returncode:
        pytest.skip(f"npm cannot install onnxruntime-web here: {result.stderr.strip().splitlines()[-1][:200]}")
    shutil.copy(graph, folder)
    shutil.copy(noisy, folder)
    handler = functools.partial(_QuietHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/index.html"
        server.shutdown()


PLAY = """
(async () => {
  window.pieces = [];
  const context = new AudioContext({sampleRate: 16000});
  const recording = await context.decodeAudioData(await (await fetch("noisy.wav")).arrayBuffer());
  const source = new AudioBufferSourceNode(context, {buffer: recording});
  await clean(context, source, "causal.onnx", (enhanced, heard) => pieces.push([...enhanced, ...heard]));
  source.start();
})()
"""


@pytest.mark.skipif(find_chromium() is None, reason="no Chromium here: apt-get install chromium")
def test_in_a_browser(graph, noisy, page, tmp_path):
    options = ["--autoplay-policy=no-user-gesture-required", "--use-fake-ui-for-media-stream"]
    options += ["--use-fake-device-for-media-stream", f"--use-file-for-fake-audio-capture={noisy}"]
    browser = Browser(find_chromium(), options=options)
    try:
        browser.open(page)
        browser.wait("typeof clean !== 'undefined'")
        browser.evaluate(PLAY)
        browser.wait("pieces.length > 70")  # 1.1 s
        pieces = np.array(json.loads(browser.evaluate("JSON.stringify(pieces)")), np.float32)
        heard, found = pieces[:, 256:].ravel(), pieces[:, :256].ravel()
        samples = soundfile.read(noisy, dtype="float32")[0]
        start = int(np.argmax(heard != 0) - np.argmax(samples != 0))
        np.testing.assert_allclose(heard[start : start + len(samples)], samples, atol=1e-4)
        soundfile.write(tmp_path / "heard.wav", heard, 16000, subtype="FLOAT")
        expected = enhanced_by_example(graph, tmp_path / "heard.wav", tmp_path / "expected.wav")
        np.testing.assert_allclose(found[256:], expected[: len(found) - 256], atol=1e-3)
        assert np.abs(expected).max() > 0.01
        browser.click("#start")  # the microphone
        browser.wait("document.getElementById('state').textContent === 'on'")
        assert browser.problems == [], browser.problems
    finally:
        browser.close()
