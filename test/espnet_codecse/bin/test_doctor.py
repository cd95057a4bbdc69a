"""codecse doctor: versions and devices, and a status that says whether something required is missing."""

import os
import subprocess
import sys

import numpy
import torch

from espnet_codecse.bin.doctor import INSTALL, Package, main, problems_of, version_of


def test_names_versions_and_devices(capsys):
    assert main([]) == 0
    output = capsys.readouterr().out
    assert f"numpy: {numpy.__version__}" in output
    assert f"torch build: {torch.__version__}" in output
    assert "GPU" in output and "cores: " in output and "memory: " in output and "disk here: " in output
    assert "espnet: " in output and "libsndfile: " in output and "FLAC" in output
    assert output.rstrip().endswith("everything required is there")


def test_missing_and_broken_requirements_are_problems_with_a_remedy():
    assert problems_of({"numpy": "2.3.5", "torch": "2.13.0"}) == []
    missing = problems_of({"numpy": "2.3.5", "torch": None, "espnet": None})
    assert len(missing) == 1 and "torch, espnet" in missing[0] and INSTALL in missing[0]
    assert "numpy<2.4" in problems_of({"numpy": "2.4.1"})[0]


def test_version_of():
    assert version_of(Package("numpy", "numpy", "")) == numpy.__version__
    assert version_of(Package("no_such_module", "no-such-module", "")) is None


def test_source_tree_counts_as_installed(tmp_path, monkeypatch):
    (tmp_path / "only_a_tree").mkdir()
    (tmp_path / "only_a_tree/__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert version_of(Package("only_a_tree", "only-a-tree", "")) == f"source tree {tmp_path}/only_a_tree"


def test_bare_python_exits_non_zero():
    # -S leaves site-packages out: the interpreter of this machine with nothing installed.
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    result = subprocess.run(
        [sys.executable, "-S", "-m", "espnet_codecse.bin.doctor"],
        cwd=root,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1, result.stderr
    assert "torch: MISSING" in result.stdout
    assert (
        f"required and missing: numpy, torch, espnet, kaldiio, soundfile, soxr, PyYAML, tqdm; run {INSTALL}"
        in result.stdout
    )
