"""The support table, what lies outside of it, and the command that each message names."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy
import pytest

from espnet_codecse import installation
from espnet_codecse.errors import UserError
from espnet_codecse.installation import (
    SUPPORTED,
    environment_problems,
    install_command,
    installed_problems,
    naming_missing_packages,
    parse_version,
    support_for,
    version_of,
)

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def as_wheel(monkeypatch):
    """What is advised to those who installed a wheel."""
    monkeypatch.setattr(installation, "is_checkout", lambda: False)


def test_this_environment_is_supported():
    assert installed_problems() == []


@pytest.mark.parametrize(
    "python, espnet, torch, numpy_version",
    [
        ((3, 10), "202511", "2.13.0+cpu", "2.3.5"),
        ((3, 11), "202511", "2.8.0", "2.0.0"),
        ((3, 12), "202611", "2.13.0", "2.5.5"),
        ((3, 13), "202611", "2.14.1+cu130", "2.5.5"),
        ((3, 13), None, "2.4.0", "2.5.5"),  # no ESPnet, no demands of it
        ((3, 12), "source tree /opt/espnet/espnet2", "2.13.0", "2.5.5"),  # its user's choice
    ],
)
def test_what_goes_together(python, espnet, torch, numpy_version):
    assert environment_problems(python, espnet, torch, numpy_version) == []


@pytest.mark.parametrize(
    "python, espnet, torch, numpy_version, pattern",
    [
        ((3, 9), None, None, None, r"Python 3.9: not supported; supported: 3.10 to 3.13; run PYTHON=python3.12"),
        ((3, 14), "202611", "2.13.0", "2.5.5", r"Python 3.14: not supported"),
        ((3, 12), "202511", "2.13.0", "2.3.5", r"espnet 202511: not supported on Python 3.12; supported: 202511 "),
        ((3, 11), "202412", "2.13.0", "2.3.5", r"espnet 202412: .*; run tools/install.sh"),
        ((3, 12), "202611", "2.12.1", "2.5.5", r"torch 2.12.1: espnet 202611 takes 2.11 or later, below 2.15 without "),
        ((3, 12), "202611", "2.10.0+cpu", "2.5.5", r"torch 2.10.0.cpu: .*pip install torch==2.13.0"),
        ((3, 13), "202611", "2.15.0", "2.5.5", r"torch 2.15.0: "),
        ((3, 11), "202511", "2.13.0", "2.4.1", r"numpy 2.4.1: the chunk iterator .*pip install 'numpy<2.4'"),
    ],
)
def test_what_does_not_is_one_line_with_a_remedy(python, espnet, torch, numpy_version, pattern):
    problems = environment_problems(python, espnet, torch, numpy_version)
    assert len(problems) == 1 and "\n" not in problems[0]
    assert re.search(pattern, problems[0]), problems[0]


def test_the_table_is_that_of_the_project_and_of_the_readme():
    project, readme = (ROOT / "pyproject.toml").read_text("utf-8"), (ROOT / "README.md").read_text("utf-8")
    first, beyond = SUPPORTED[0].python[0], SUPPORTED[-1].python[1]
    assert f'requires-python = ">={first[0]}.{first[1]},<{beyond[0]}.{beyond[1]}"' in project
    assert f"espnet=={SUPPORTED[-1].espnet};" in project
    assert f"ESPNET_VERSION={SUPPORTED[0].espnet} " in (ROOT / "tools/install.sh").read_text("utf-8")
    for row in SUPPORTED:
        minor = [str(number) for number in range(row.python[0][1], row.python[1][1])]
        assert f"| 3.{', 3.'.join(minor)} | {row.espnet} |" in readme
    assert [support_for((3, minor)) is not None for minor in range(9, 15)] == [False, *[True] * 4, False]


def test_commands_of_a_wheel(as_wheel):
    assert install_command() == "python3 -m pip install espnet_codecse"
    assert install_command("metrics") == "python3 -m pip install 'espnet_codecse[metrics]'"
    assert install_command("espnet", (3, 12)) == "python3 -m pip install 'espnet_codecse[espnet]'"
    old = install_command("espnet", (3, 11))
    assert (
        old.startswith("python3 -m pip install 'espnet_codecse[espnet]' uv && ") and "--no-deps espnet==202511 " in old
    )


def test_versions():
    assert parse_version("2.13.0+cpu") == (2, 13, 0) and parse_version("2.5rc1") == (2,)
    assert version_of("numpy", "numpy") == numpy.__version__
    assert version_of("no_such_module", "no-such-module") is None


def test_a_source_tree_counts_as_installed(tmp_path, monkeypatch):
    (tmp_path / "only_a_tree").mkdir()
    (tmp_path / "only_a_tree/__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert version_of("only_a_tree", "only-a-tree") == f"source tree {tmp_path}/only_a_tree"


def test_a_recipe_stops_before_its_first_stage_where_versions_do_not_go_together(monkeypatch, capsys):
    from espnet_codecse.bin.main import main

    monkeypatch.setattr(
        installation, "version_of", lambda module, _: {"espnet2": "202611", "torch": "2.10.0"}.get(module)
    )
    monkeypatch.setattr(installation.sys, "version_info", (3, 12, 1, "final", 0))
    assert main(["check", "--codec", "small", "--fs", "16k"]) == 1
    text = capsys.readouterr().err
    assert text.startswith("codecse check: torch 2.10.0: espnet 202611 takes 2.11 or later") and text.count("\n") == 1


def test_a_missing_package_is_named_with_its_extra(as_wheel, monkeypatch):
    monkeypatch.setitem(installation.EXTRAS, "no_such_module", ("no-such-module", "plot"))
    with pytest.raises(UserError) as caught, naming_missing_packages("figures"):
        import no_such_module.part  # noqa: F401
    assert str(caught.value) == (
        "figures: needs no-such-module, which is not installed; run python3 -m pip install 'espnet_codecse[plot]'"
    )


def test_a_required_package_that_is_missing_is_named_with_the_environment(monkeypatch):
    monkeypatch.setitem(installation.REQUIRED, "no_such_module", "no-such-module")
    for checkout, mend in (
        (True, "activate the environment: . tools/activate.sh"),
        (False, "pip install espnet_codecse"),
    ):
        monkeypatch.setattr(installation, "is_checkout", lambda checkout=checkout: checkout)
        match = f"^needs no-such-module, which this Python .* does not have; .*{mend}$"
        with pytest.raises(UserError, match=match), naming_missing_packages():
            import no_such_module.part  # noqa: F401


@pytest.mark.parametrize("command", ["score", "enhance", "stream", "format", "prepare_mini", "check", "config"])
def test_without_the_environment_every_command_is_one_line(command, tmp_path):
    arguments = {
        "score": "--inf_scp x --output_dir y", "enhance": "x.wav -o y", "stream": "--model x - -", "format": "x y",
        "check": "--codec x --fs 16k", "config": "--system nac_se --step 1_enhance --codec x",
    }  # fmt: skip
    command_line = [sys.executable, "-S", "-m", "espnet_codecse.bin.main", command, *arguments.get(command, "").split()]
    environment = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]}  # -S: without the packages of the environment
    result = subprocess.run(command_line, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 1 and result.stderr.count("\n") == 1, result.stderr
    assert result.stderr.startswith(f"codecse {command}: needs ") and "activate.sh" in result.stderr


def test_a_module_that_moved_is_told_as_an_unsupported_release(monkeypatch):
    monkeypatch.setattr(installation, "installed_problems", lambda: ["espnet 202501: not supported"])
    with (
        pytest.raises(UserError, match="^training: espnet 202501: not supported$"),
        naming_missing_packages("training"),
    ):
        import espnet2.no_such_module  # noqa: F401


def test_other_failures_of_an_import_pass():
    with pytest.raises(ModuleNotFoundError, match="nobody_knows_it"), naming_missing_packages():
        import nobody_knows_it  # noqa: F401
    # A supported ESPnet that lacks a module is a fault of ours, to be seen as one.
    with pytest.raises(ModuleNotFoundError, match="no_such_module"), naming_missing_packages():
        import espnet2.no_such_module  # noqa: F401
