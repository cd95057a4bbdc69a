"""utils/check_options.sh: what is wrong with an option is one line and status 2, before anything is done."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def check(script, tmp_path):
    text = f"set -euo pipefail; . '{ROOT}/utils/log.sh'; . '{ROOT}/utils/check_options.sh'; {script}; echo went on"
    return subprocess.run(["bash", "-c", text], cwd=tmp_path, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "kind, values",
    [
        ("natural", ["0", "1", "10000"]),
        ("positive", ["1", "12"]),
        ("seconds", ["0", "0.1", "30", ".5", "3."]),
        ("rate", ["8k", "16k", "44100"]),
    ],
)
def test_numbers(kind, values, tmp_path):
    for value in values:
        assert check(f"x={value}; check_numbers {kind} x", tmp_path).stdout == "went on\n"


@pytest.mark.parametrize(
    "kind, values",
    [
        ("natural", ["five", "-1", "1.5", "''", "'1 2'", "1e3", "08", "9999999999999999999999"]),
        ("positive", ["0", "-1", "many", "01"]),
        ("seconds", ["-1", "long", "1s", ".", "nan", "1e9"]),
        ("rate", ["0", "16kHz", "-8k", "k", "1.6k"]),
    ],
)
def test_what_is_not_a_number(kind, values, tmp_path):
    for value in values:
        result = check(f"x={value}; check_numbers {kind} x", tmp_path)
        assert result.returncode == 2 and result.stdout == ""
        assert "Error: --x " in result.stderr and "must be a" in result.stderr and result.stderr.count("\n") == 1


def test_paths(tmp_path):
    assert check("x='/a b/JOBS (1)'; check_paths x", tmp_path).stdout == "went on\n"
    for value in ("''", "a,b", "'a|b'", "-x", "$'a\\nb'"):
        result = check(f"x={value}; check_paths x", tmp_path)
        assert result.returncode == 2 and "must be a path without commas" in result.stderr


@pytest.mark.parametrize(
    "script, options",
    [
        ("enh1/run.sh", "--stage five"),
        ("enh1/run.sh", "--stop_stage -1"),
        ("enh1/run.sh", "--nj many"),
        ("enh1/run.sh", "--ngpu -1"),
        ("enh1/run.sh", "--num_nodes 0"),
        ("enh1/run.sh", "--num_spk zwei"),
        ("enh1/run.sh", "--seed x"),
        ("enh1/run.sh", "--max_duration -3"),
        ("enh1/run.sh", "--fs 16kHz"),
        ("enh1/run.sh", "--score_fs 8kHz"),
        ("enh1/run.sh", "--expdir a,b"),
        ("codec1/run.sh", "--stage five"),
        ("codec1/run.sh", "--init_frames -5"),
    ],
)
def test_recipes_check_their_options_before_stage_1(script, options, tmp_path):
    command = [ROOT / "egs2/mini" / script, *options.split(), "--datadir", tmp_path / "data"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    lines = [line for line in result.stderr.splitlines() if "Error: " in line]
    assert result.returncode == 2 and len(lines) == 1 and options.replace("a,b", "'a,b'") in lines[0]
    assert "Stage 1" not in result.stderr and not (tmp_path / "data").exists()
