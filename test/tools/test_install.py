"""tools/: activation of an environment that is there, the completion marker, the command wrapper, one clear line.

The install itself takes minutes and a network; its scripts run it on first use. Here everything around it is run.
"""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def bash(script, **options):
    return subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False, **options)


@pytest.fixture
def copy(tmp_path):
    """The files that an install depends on, without an environment."""
    root = tmp_path / "a copy"
    root.mkdir()
    shutil.copytree(ROOT / "tools", root / "tools", ignore=shutil.ignore_patterns("venv*"))
    shutil.copy(ROOT / "setup.py", root)
    return root


def test_active_environment_is_used_as_it_is(tmp_path):
    script = f". '{ROOT}/tools/activate.sh'; "
    script += "python3 -c 'import sys, espnet_codecse; print(sys.prefix, espnet_codecse.__file__)'"
    start = time.monotonic()
    result = bash("set -euo pipefail; " + script, cwd=tmp_path, env={**os.environ, "PYTHONPATH": ""})
    assert result.returncode == 0, result.stderr
    assert time.monotonic() - start < 2
    prefix, file = result.stdout.split()
    assert prefix == sys.prefix and Path(file).parent == ROOT / "espnet_codecse"


def test_espnet_source_tree_of_main_root_is_used(tmp_path):
    (tmp_path / "espnet/espnet2").mkdir(parents=True)
    (tmp_path / "espnet/espnet2/__init__.py").write_text("")
    result = bash(
        f"set -euo pipefail; . '{ROOT}/tools/activate.sh'; python3 -c 'import espnet2; print(espnet2.__file__)'",
        env={**os.environ, "MAIN_ROOT": str(tmp_path / "espnet")},
    )
    assert result.stdout.strip() == str(tmp_path / "espnet/espnet2/__init__.py"), result.stderr


def test_no_suitable_python_is_one_line_and_stops_the_caller(copy, tmp_path):
    fake = tmp_path / "bin"
    fake.mkdir()
    for name in ("python3", "python3.10", "python3.11", "python3.12", "python"):
        (fake / name).write_text("#!/bin/sh\nexit 127\n")
        (fake / name).chmod(0o755)
    script = f"set -euo pipefail; . '{copy}/tools/activate.sh'; echo reached"
    result = bash(script, env={"PATH": f"{fake}:/usr/bin:/bin", "HOME": str(tmp_path)})
    assert result.returncode != 0 and "reached" not in result.stdout
    assert "no Python 3.10 to 3.12" in result.stderr and result.stderr.count("\n") == 1
    assert not (copy / "tools/venv").exists()


def test_complete_install_returns_at_once_and_a_changed_one_does_not(copy, tmp_path):
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "PYTHON": "no_such_python"}
    venv = copy / "tools/venv"
    venv.mkdir()
    files = " ".join(
        f"'{copy}/{name}'" for name in ("setup.py", "tools/overrides.txt", "tools/espnet_needs.txt", "tools/install.sh")
    )
    digest = bash(f"cat {files} | sha256sum | cut -c1-64").stdout.strip()
    (venv / ".installed").write_text(f"{digest} {venv}\n")
    start = time.monotonic()
    result = bash(f"'{copy}/tools/install.sh'", env=environment)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert time.monotonic() - start < 2
    with open(copy / "setup.py", "a", encoding="utf-8") as stream:
        stream.write("# another requirement\n")
    assert bash(f"'{copy}/tools/install.sh'", env=environment).returncode == 1


def test_command_wrapper_works_from_anywhere(tmp_path):
    result = bash(f"'{ROOT}/tools/bin/codecse' --version", cwd=tmp_path)
    assert result.returncode == 0 and result.stdout.strip()[0].isdigit(), result.stderr
    result = bash(f"'{ROOT}/tools/bin/codecse' no_such_command", cwd=tmp_path)
    assert result.returncode == 2 and "unknown command 'no_such_command'" in result.stderr


def test_setup_reads_its_version_without_importing():
    result = subprocess.run(
        [sys.executable, "setup.py", "--version"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout.split()[-1] == "0.1.0"
