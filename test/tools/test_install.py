"""tools/: activation of an environment that is there, the completion marker, the command wrapper, one clear line.

The install itself takes minutes and a network; its scripts run it on first use. Here everything around it is run.
"""

import os
import shutil
import subprocess
import sys
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
    shutil.copy(ROOT / "pyproject.toml", root)
    return root


def test_active_environment_is_used_as_it_is(tmp_path):
    script = f". '{ROOT}/tools/activate.sh'; "
    script += "python3 -c 'import sys, espnet_codecse; print(sys.prefix, espnet_codecse.__file__)'"
    # What takes time: an installer, which reports what it does, and imports, of which these leave a file.
    for name in ("torch", "torchaudio", "espnet2", "numpy"):
        (tmp_path / "site" / name).mkdir(parents=True)
        (tmp_path / "site" / name / "__init__.py").write_text(f"open('{tmp_path}/imported', 'w')")
    result = bash("set -euo pipefail; " + script, env={**os.environ, "PYTHONPATH": str(tmp_path / "site")})
    assert result.returncode == 0 and not result.stderr, result.stderr
    assert not (tmp_path / "imported").exists()
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
    for name in ("python3", "python3.10", "python3.11", "python3.12", "python3.13", "python"):
        (fake / name).write_text("#!/bin/sh\nexit 127\n")
        (fake / name).chmod(0o755)
    script = f"set -euo pipefail; . '{copy}/tools/activate.sh'; echo reached"
    result = bash(script, env={"PATH": f"{fake}:/usr/bin:/bin", "HOME": str(tmp_path)})
    assert result.returncode != 0 and "reached" not in result.stdout
    assert "no Python 3.10 to 3.13" in result.stderr and result.stderr.count("\n") == 1
    assert not (copy / "tools/venv").exists()


def write_marker(copy, venv):
    """Write what a finished installation leaves."""
    digest = bash(f"cat '{copy}/pyproject.toml' '{copy}/tools/install.sh' | sha256sum | cut -c1-64").stdout.strip()
    (venv / ".installed").write_text(f"{digest} {venv}\n")


def write_python(path, version, runs=True):
    """Write a stand-in that answers as a Python of ``version`` does, ``python -m venv`` included."""
    path.parent.mkdir(parents=True, exist_ok=True)
    answer = f"""#!/bin/sh
case "$*" in
    *ensurepip*) {"echo" if runs else "exit 127; echo"} {version} "$0" ;;
    *get_path*) echo "$HOME/include" ;;
    *version_info*) echo {version} ;;
    --version) echo Python {version} ;;
    "-m venv --clear "*) mkdir -p "$4/bin"; cp "$0" "$4/bin/python"; cp "$(dirname "$0")/pip" "$4/bin/pip" ;;
    *) exit 1 ;;
esac
"""
    path.write_text(answer)
    path.chmod(0o755)


@pytest.fixture
def pythons(tmp_path):
    """A machine with 3.11 on the PATH, shims of pyenv that do not run, and 3.13, 3.12 and 3.9 in pyenv's folders.

    Its pip has a CPU build of torch for 3.12 and 3.11, which it says; it installs nothing.
    """
    home = tmp_path / "home"
    for version in ("3.13", "3.12", "3.9"):
        write_python(home / f".pyenv/versions/{version}.1/bin/python3", version, runs=version != "3.9")
        write_python(home / f".pyenv/versions/{version}.1/bin/python{version}", version, runs=version != "3.9")
        write_python(home / f".pyenv/shims/python{version}", version, runs=False)
    write_python(home / "bin/python3", "3.11")
    for folder in (home / "bin", *home.glob(".pyenv/versions/*/bin")):
        (folder / "pip").write_text(
            '#!/bin/sh\necho "$*" >> "$HOME/pip.log"\n'
            'case "$*" in\n'
            '*"--dry-run"*"--python-version 3.12 "*|*"--dry-run"*"--python-version 3.11 "*) exit 0 ;;\n'
            "esac\n"
            "exit 1\n"
        )
        (folder / "pip").chmod(0o755)
    return {"PATH": f"{home}/.pyenv/shims:{home}/bin:/usr/bin:/bin", "HOME": str(home)}


def test_pythons_are_found_newest_first_also_pyenvs(pythons):
    result = bash(f"'{ROOT}/tools/find_python.sh'", env=pythons)
    found = dict(line.split(" ", 1) for line in result.stdout.splitlines())
    order = [version for version in found if version in ("3.13", "3.12", "3.11")]  # a system's own may be among them
    assert order == ["3.13", "3.12", "3.11"] and "3.9" not in found
    assert found["3.13"] == f"{pythons['HOME']}/.pyenv/versions/3.13.1/bin/python3.13"
    only = bash(f"'{ROOT}/tools/find_python.sh' python3.12", env=pythons).stdout
    assert only == f"3.12 {pythons['HOME']}/.pyenv/versions/3.12.1/bin/python3.12\n"
    assert bash(f"'{ROOT}/tools/find_python.sh' python3.9", env=pythons).returncode == 1


def test_without_gpu_the_newest_python_with_a_cpu_build_is_taken(copy, pythons):
    (Path(pythons["HOME"]) / "bin/nvidia-smi").write_text("#!/bin/sh\nexit 1\n")
    (Path(pythons["HOME"]) / "bin/nvidia-smi").chmod(0o755)
    result = bash(f"'{copy}/tools/install.sh'", env=pythons)
    assert result.returncode != 0  # there is no such Python: it goes no further than its environment
    assert bash(f"'{copy}/tools/venv/bin/python' -c version_info").stdout == "3.12\n"
    asked = (Path(pythons["HOME"]) / "pip.log").read_text()
    assert "--python-version 3.13" in asked and "--python-version 3.11" not in asked


def test_a_named_python_gets_an_environment_of_its_own(copy, pythons):
    def folder(python):
        result = bash(f"'{copy}/tools/install.sh' --print-venv", env={**pythons, "PYTHON": python})
        return result.stdout.strip().removeprefix(f"{copy}/tools/")

    assert folder("python3.12") == "venv"  # the first
    (copy / "tools/venv/bin").mkdir(parents=True)
    write_python(copy / "tools/venv/bin/python", "3.11")
    write_marker(copy, copy / "tools/venv")
    assert folder("python3.12") == "venv-3.12" and folder("python3.13") == "venv-3.13" and folder("python3") == "venv"


@pytest.mark.slow
def test_an_active_environment_of_another_python_is_not_what_was_asked_for(copy, tmp_path):
    """An interpreter that cannot be had stops the caller instead of the active one being taken."""
    script = f"set -euo pipefail; . '{copy}/tools/activate.sh'; echo reached"
    result = bash(script, env={**os.environ, "PYTHON": "python3.9"})
    assert result.returncode != 0 and "reached" not in result.stdout
    assert "no Python 3.10 to 3.13 with venv among: python3.9" in result.stderr


def test_headers_that_are_missing_are_named_before_anything_is_downloaded(copy, pythons):
    result = bash(f"'{copy}/tools/install.sh'", env={**pythons, "PYTHON": "python3.13"})
    assert result.returncode != 0 and "Python.h is missing, which pip needs to build PESQ" in result.stderr
    assert "apt-get install python3.13-dev" in result.stderr
    log = Path(pythons["HOME"]) / "pip.log"
    assert not log.exists() or "install --quiet torch" not in log.read_text()


def test_complete_install_returns_at_once_and_a_changed_one_does_not(copy, tmp_path):
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    venv = copy / "tools/venv"
    venv.mkdir()
    write_marker(copy, venv)
    result = bash(f"'{copy}/tools/install.sh'", env=environment)  # the folder has no pip that could be run
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert [path.name for path in venv.iterdir()] == [".installed"]
    with open(copy / "pyproject.toml", "a", encoding="utf-8") as stream:
        stream.write("# another requirement\n")
    assert bash(f"'{copy}/tools/install.sh'", env={**environment, "PYTHON": "no_such_python"}).returncode == 1


def test_a_link_to_the_environment_of_another_clone_is_used_and_not_rebuilt(copy, pythons, tmp_path):
    other = tmp_path / "other/tools/venv"
    write_python(other / "bin/python", "3.11")
    (copy / "tools/venv").symlink_to(other)
    before = sorted(path.relative_to(other) for path in other.rglob("*"))
    result = bash(f"'{copy}/tools/install.sh'", env=pythons)
    assert result.returncode == 1 and f"{copy}/tools/venv: a link to {other}, where no Python runs" in result.stderr
    (other / "bin/python").write_text("#!/bin/sh\nexit 0\n")
    result = bash(f"'{copy}/tools/install.sh'", env=pythons)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert sorted(path.relative_to(other) for path in other.rglob("*")) == before


def test_a_clone_with_crlf_has_the_scripts_and_weights_as_they_are(tmp_path):
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    source, scripts = tmp_path / "source", ["tools/activate.sh", "tools/bin/codecse", "egs2/mini/enh1/run.sh"]
    weights = b"text\r\nor\nweights\r\n"
    for name in [".gitattributes", *scripts]:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, source / name)
    (source / "x.pth").write_bytes(weights)
    git = "git -c user.name=x -c user.email=x@y"
    commit = f"{git} init -q && {git} add -A && {git} commit -qm x"
    clone = f"{git} clone -q -c core.autocrlf=true -c core.eol=crlf '{source}' '{tmp_path}/clone'"
    result = bash(f"cd '{source}' && {commit} && {clone}")
    assert result.returncode == 0, result.stderr
    for name in scripts:
        assert (tmp_path / "clone" / name).read_bytes() == (ROOT / name).read_bytes()
    assert (tmp_path / "clone/x.pth").read_bytes() == weights


def test_command_wrapper_works_from_anywhere(tmp_path):
    result = bash(f"'{ROOT}/tools/bin/codecse' --version", cwd=tmp_path)
    assert result.returncode == 0 and result.stdout.strip()[0].isdigit(), result.stderr
    result = bash(f"'{ROOT}/tools/bin/codecse' no_such_command", cwd=tmp_path)
    assert result.returncode == 2 and "unknown command 'no_such_command'" in result.stderr


@pytest.mark.slow
def test_setup_reads_its_version_without_importing():
    result = subprocess.run(
        [sys.executable, "setup.py", "--version"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout.split()[-1] == "0.1.0"
