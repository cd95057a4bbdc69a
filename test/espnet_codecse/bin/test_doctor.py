"""codecse doctor: versions and devices, and a status that says whether something required is missing."""

import os
import subprocess
import sys
from pathlib import Path

import numpy
import torch

from espnet_codecse.bin.doctor import main

ROOT = Path(__file__).resolve().parents[3]


def test_names_versions_and_devices(capsys):
    assert main([]) == 0
    output = capsys.readouterr().out
    assert f"numpy: {numpy.__version__}" in output
    assert f"torch build: {torch.__version__}" in output
    assert "GPU" in output and "cores: " in output and "memory: " in output and "disk here: " in output
    assert "espnet: " in output and "libsndfile: " in output and "FLAC" in output
    assert "supported ESPnet: 202511 (Python 3.10, 3.11), 202611 (Python 3.12, 3.13)" in output
    assert output.rstrip().endswith("everything required is installed")


def run_bare(package_root) -> subprocess.CompletedProcess:
    """Run the doctor with -S, which leaves site-packages out: a Python with nothing installed."""
    return subprocess.run(
        [sys.executable, "-S", "-m", "espnet_codecse.bin.doctor"],
        cwd=package_root,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )


def test_bare_python_exits_non_zero():
    result = run_bare(ROOT)
    assert result.returncode == 1, result.stderr
    assert "torch: MISSING" in result.stdout
    assert (
        "required and missing: numpy, torch, soundfile, soxr, PyYAML, safetensors, tqdm; run tools/install.sh"
        in result.stdout
    )
    assert "PROBLEM: training and recipes: missing espnet, torchaudio, kaldiio" in result.stdout


def test_an_installed_package_is_advised_pip(tmp_path):
    """Copied away from the repository, the package is what a wheel installs."""
    modules = ["__init__", "plugin", "postponed", "errors", "installation", "bin/__init__", "bin/doctor"]
    for name in [f"{module}.py" for module in (*modules, "job/__init__", "job/resources")]:
        (tmp_path / "espnet_codecse" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "espnet_codecse" / name).write_bytes((ROOT / "espnet_codecse" / name).read_bytes())
    result = run_bare(tmp_path)
    assert result.returncode == 1, result.stderr
    assert "PyYAML, safetensors, tqdm; run python3 -m pip install espnet_codecse\n" in result.stdout
    # Without ESPnet a package that was installed by pip enhances all the same.
    assert "PROBLEM: training" not in result.stdout
    assert "run python3 -m pip install 'espnet_codecse[espnet]'" in result.stdout
    assert "optional and missing: espnet_model_zoo" in result.stdout and "'espnet_codecse[codecs]'; " in result.stdout
