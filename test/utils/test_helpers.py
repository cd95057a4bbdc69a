"""The other shell helpers: log, the data directory wrappers, the template's environment files."""

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def bash(script, cwd, **environment):
    return subprocess.run(
        ["bash", "-c", script], cwd=cwd, capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )


def test_log_names_time_file_line_and_function(tmp_path):
    (tmp_path / "x.sh").write_text(f"set -eu\n. '{ROOT}/utils/log.sh'\nlog one two\nf() {{ log inside; }}\nf\n")
    result = bash("bash x.sh", tmp_path)
    assert result.returncode == 0 and result.stdout == ""
    first, second = result.stderr.splitlines()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d \(x.sh:3:main\) one two", first)
    assert second.endswith("(x.sh:4:f) inside")


def test_path_and_cmd_work_under_strict_flags(tmp_path):
    template = ROOT / "egs2/TEMPLATE/enh1"
    script = f". '{template}/path.sh'; . '{template}/cmd.sh'; . '{template}/db.sh'; "
    script += 'echo "$MAIN_ROOT|$LC_ALL|$OMP_NUM_THREADS|$train_cmd|$decode_cmd|$MINI"; command -v codecse'
    result = bash("set -euo pipefail; " + script, tmp_path)
    assert result.returncode == 0, result.stderr
    line, command = result.stdout.splitlines()
    job = "python3 -m espnet_codecse.job"
    assert line == f"{ROOT}|C|1|{job}|{job}|downloads"
    assert os.path.basename(command) == "codecse"
    result = bash(f"set -eu; cmd_backend=queue; . '{template}/cmd.sh'", tmp_path)
    assert result.returncode != 0 and "cmd_backend=queue: unknown" in result.stderr


@pytest.mark.parametrize(
    "script", ["mini/enh1/enh.sh", "mini/enh1/local/data.sh", "mini/codec1/codec.sh", "vctk_demand/enh1/local/data.sh"]
)
def test_scripts_that_run_elsewhere_than_in_their_recipe_are_one_line(script, tmp_path):
    result = bash(f"'{ROOT}/egs2/{script}'", tmp_path)
    lines = [line for line in result.stderr.splitlines() if not line.endswith(f"{ROOT}/egs2/{script} ")]
    assert result.returncode == 2 and len(lines) == 1
    assert f"Error: {tmp_path}: not the folder of a recipe" in lines[0]


def test_recipe_data_script_names_unknown_options_and_helps(tmp_path):
    script = ROOT / "egs2/mini/enh1/local/data.sh"
    result = bash(f"'{script}' --help", tmp_path)
    assert result.returncode == 0 and "--clean_dir DIR" in result.stdout
    result = bash(f"'{script}' --speakers 2", tmp_path)
    assert result.returncode == 1 and "--speakers: unknown option" in result.stderr
