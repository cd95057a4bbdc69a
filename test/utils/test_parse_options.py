"""utils/parse_options.sh: Kaldi's rules, and one line for each mistake."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = f"""#!/usr/bin/env bash
set -euo pipefail
stage=1
use_gpu=false
clean_dir=
help_message="Usage: script.sh --stage N"
. '{ROOT}/utils/parse_options.sh'
printf '%s|' "$stage" "$use_gpu" "$clean_dir" "$@"
"""


@pytest.fixture
def run(tmp_path):
    (tmp_path / "script.sh").write_text(SCRIPT)
    (tmp_path / "a.conf").write_text("stage=7\nclean_dir='from config'\n")

    def function(*arguments):
        return subprocess.run(
            ["bash", "script.sh", *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
        )

    return function


@pytest.mark.parametrize(
    "arguments, output",
    [
        ([], "1|false||"),
        (["--stage", "3", "--use-gpu", "true"], "3|true||"),
        (["--clean_dir", "my recordings", "left", "over words"], "1|false|my recordings|left|over words|"),
        (["--clean-dir", "-5"], "1|false|-5|"),
        (["--config", "a.conf"], "7|false|from config|"),
        (["--stage", "2", "--config", "a.conf"], "2|false|from config|"),
        (["--stage", "2", "--", "--stage", "3"], "2|false||--stage|3|"),
        (["--clean_dir", ""], "1|false||"),
    ],
)
def test_values(run, arguments, output):
    result = run(*arguments)
    assert (result.returncode, result.stdout, result.stderr) == (0, output, "")


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--sytem", "x"], "--sytem: unknown option"),
        (["--stage"], "--stage: the value is missing"),
        (["--stage=3"], "write the value after a space: --stage 3"),
        (["--use_gpu", "yes"], "--use_gpu yes: must be true or false"),
        (["--config", "none.conf"], "'none.conf': no such file"),
        (["--config"], "no such file"),
        (["--a;ls", "x"], "unknown option"),
    ],
)
def test_mistakes_are_one_line(run, arguments, words):
    result = run(*arguments)
    assert result.returncode == 1 and result.stdout == ""
    assert words in result.stderr and result.stderr.count("\n") == 1


def test_help(run):
    result = run("--help")
    assert (result.returncode, result.stdout) == (0, "Usage: script.sh --stage N\n")
