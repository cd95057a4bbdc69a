"""The wheel with its required packages alone: no ESPnet, no repository, no extras."""

import json
import os
import subprocess

import numpy as np
import pytest
import soundfile
from clean_environment import build_wheel, make_environment
from tiny_dual_branch import MDCT, ROFORMER
from tiny_models import save_causal_experiment, save_experiment

from espnet_codecse.zoo.find import find_model
from espnet_codecse.zoo.pack import PackOptions, pack_model

pytestmark = pytest.mark.slow
REQUIRED = ("torch", "numpy", "soundfile", "soxr", "PyYAML", "safetensors", "tqdm")


@pytest.fixture(scope="module")
def light(tmp_path_factory):
    """Return a function that runs the wheel's ``codecse`` in a folder, without the variables of this environment."""
    folder = tmp_path_factory.mktemp("light")
    python = make_environment(folder / "venv", REQUIRED, build_wheel(folder))
    run_in = folder / "elsewhere"
    run_in.mkdir()

    def run(*arguments, code=None):
        command = (
            [python, "-W", "error::DeprecationWarning:espnet_codecse", "-c", code]
            if code
            else [python.parent / "codecse"]
        )
        environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "OMP_NUM_THREADS": "1", "LC_ALL": "C.UTF-8"}
        return subprocess.run([*command, *arguments], cwd=run_in, env=environment, capture_output=True, text=True)

    run.folder = run_in
    return run


@pytest.fixture(scope="module")
def noisy(light, tmp_path_factory):
    """A folder of two recordings."""
    folder = light.folder / "noisy"
    folder.mkdir()
    for number in range(2):
        rng = np.random.default_rng(number)
        soundfile.write(folder / f"utt{number}.wav", 0.05 * rng.standard_normal(8000 + number), 16000)
    return folder


def test_espnet_is_not_there(light):
    result = light(
        code="import importlib.util as u; print([u.find_spec(n) for n in ('espnet2', 'espnet', 'kaldiio', 'pytest')])"
    )
    assert result.stdout.strip() == "[None, None, None, None]", result.stderr
    report = light("doctor")
    assert report.returncode == 0 and report.stdout.endswith("everything required is installed\n"), report.stdout
    assert "training and recipes: missing espnet, torchaudio, kaldiio" in report.stdout
    assert "(installed package, " in report.stdout and "tools/install.sh" not in report.stdout


def test_the_six_commands(light, noisy, tmp_path_factory):
    experiments = tmp_path_factory.mktemp("models")
    causal = experiments / "causal.zip"
    pack_model(find_model(str(save_causal_experiment(experiments / "causal"))), causal, PackOptions())
    assert soundfile.info(noisy / "utt1.wav").frames == 8001
    for arguments, output in (
        (("enhance", "noisy", "-o", "enhanced"), "enhanced/utt1.wav"),
        (("enhance", "noisy", "-o", "enhanced_causal", "--model", str(causal)), "enhanced_causal/utt1.wav"),
        (("encode", "noisy", "-o", "codes"), "codes/utt1.cse"),
        (("enhance", "--from", "codes", "--to", "codes", "codes", "-o", "better"), "better/utt1.cse"),
        (("decode", "codes", "-o", "decoded"), "decoded/utt1.wav"),
        (("stream", "--model", str(causal), "noisy/utt1.wav", "streamed.wav"), "streamed.wav"),
        (("score", "--ref_scp", "noisy", "--inf_scp", "enhanced", "--output_dir", "scores", "--metrics", "SI_SDR"),
         "scores/summary.json"),
        (("verify", "nac_se"), "."),
        (("verify", str(causal)), "."),
    ):  # fmt: skip
        result = light(*arguments)
        assert result.returncode == 0, (arguments, result.stdout, result.stderr)
        assert (light.folder / output).exists(), (arguments, sorted(light.folder.rglob("*")))
        if output.endswith(".wav"):
            samples, rate = soundfile.read(light.folder / output)
            assert samples.shape == (8001,) and rate == 16000 and np.isfinite(samples).all() and samples.any()
    (score,) = json.loads((light.folder / "scores/summary.json").read_text())
    assert score["metric"] == "SI_SDR" and np.isfinite(score["mean"])


def test_the_wheel_holds_the_papers_configurations(light):
    assert light("config", "--system", "fuse", "--list_steps").stdout.split() == ["1_vae", "2_diffusion"]
    assert "max_epoch: " in light("config", "--system", "nac_se", "--step", "1_enhance").stdout


def test_python(light, noisy):
    code = (
        "import sys, numpy as np; from espnet_codecse import SpeechEnhancer\n"
        "noisy = 0.05 * np.random.default_rng(0).standard_normal((2, 4800)).astype('float32')\n"
        "speech, = SpeechEnhancer.from_pretrained('nac_se')(noisy, fs=16000)\n"
        "print(speech.shape, bool(np.isfinite(speech).all()), 'espnet2' in sys.modules)"
    )
    result = light(code=code)
    assert result.stdout == "(2, 4800) True False\n", result.stderr


def test_what_needs_more_names_the_extra(light, noisy, tmp_path_factory):
    """Whatever is missing is one line with the command that installs it."""
    experiments = tmp_path_factory.mktemp("models")
    config = experiments / "dual_branch/config.yaml"
    config.parent.mkdir()
    config.write_text(json.dumps({
        "task": "dual_branch", "codec": None, "coder_conf": MDCT, "generator_conf": {"roformer": ROFORMER},
    }))  # fmt: skip
    (config.parent / "valid.loss.best.pth").write_bytes(b"")
    save_experiment(experiments / "nac_se", "small")
    for arguments, needed in (
        (("enhance", "noisy", "-o", "other", "--model", str(config.parent)), "espnet]"),
        (("encode", "noisy", "-o", "other", "--codec", "dac_16khz"), "codecs]"),
        (("spectrogram", "noisy/utt0.wav", "--output", "other.png"), "plot]"),
        (("export_onnx", str(experiments / "nac_se"), "--output", "other.onnx"), ""),
    ):
        result = light(*arguments)
        assert result.returncode == 1 and "Traceback" not in result.stderr, (arguments, result.stderr)
        lines = [line for line in result.stderr.splitlines() if line.startswith(f"codecse {arguments[0]}: ")]
        assert len(lines) == 1, result.stderr
        if needed:
            assert "which is not installed; run python3 -m pip install 'espnet_codecse[" in lines[0], lines
            assert needed in lines[0]
