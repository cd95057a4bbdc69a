"""The runner as recipes call it: a process, its logs, markers and status."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

RUNNER = [sys.executable, "-m", "espnet_codecse.job"]
ROOT = Path(__file__).resolve().parents[3]


def run(*arguments, cwd, **environment):
    return subprocess.run(
        [*RUNNER, *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )


def test_job_is_replaced_in_log_and_arguments_which_keep_spaces(tmp_path):
    options = ["--mem", "4G", "JOB=3:5", "--num_threads", "2"]
    result = run(*options, "log/x.JOB.log", "touch", "out JOB ($x).txt", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert sorted(p.name for p in tmp_path.glob("out*")) == [f"out {i} ($x).txt" for i in (3, 4, 5)]
    lines = (tmp_path / "log" / "x.4.log").read_text().splitlines()
    assert lines[0].startswith("# host: ") and lines[1] == "# command: touch 'out 4 ($x).txt'"
    assert lines[2].startswith("# started: ") and "status 0, 0." in lines[-1] and lines[-1].endswith("seconds")


@pytest.mark.slow
def test_operators_work_as_in_a_shell_and_a_failure_in_a_pipe_counts(tmp_path):
    assert run("JOB=1:2", "JOB.log", "echo", "aJOB", "|", "tr", "a", "b", ">", "JOB.txt", cwd=tmp_path).returncode == 0
    assert (tmp_path / "2.txt").read_text() == "b2\n"
    assert run("x.log", "false", "|", "cat", cwd=tmp_path).returncode == 1


def test_all_parts_are_tried_and_the_failing_log_is_shown(tmp_path):
    script = "for i in $(seq 30); do echo line $i; done; touch tried.JOB; [ JOB -ne 2 ]"
    result = run("--max_jobs_run", "1", "JOB=1:3", "log/x.JOB.log", "bash", "-c", script, cwd=tmp_path)
    assert result.returncode == 1
    assert (tmp_path / "tried.3").exists()
    assert "1 of 3 parts failed" in result.stderr and "log/x.2.log: status 1" in result.stderr
    shown = [line for line in result.stderr.splitlines() if line.startswith("    ")]
    assert len(shown) == 20 and shown[-2].strip() == "line 30"


@pytest.mark.slow
def test_resume_redoes_only_what_is_missing_or_different(tmp_path):
    command = ["JOB=1:3", "log/x.JOB.log", "bash", "-c", "echo x >> ran.JOB; [ JOB -ne 2 ] || [ -e ok ]"]
    assert run(*command, cwd=tmp_path).returncode == 1
    (tmp_path / "ok").touch()
    result = run("--resume", *command, cwd=tmp_path)
    assert result.returncode == 0 and "2 of 3 parts skipped (already done)" in result.stderr
    assert [len((tmp_path / f"ran.{i}").read_text().split()) for i in (1, 2, 3)] == [1, 2, 1]
    assert run("--resume", *command, "another", cwd=tmp_path).returncode == 0  # other command: all again
    assert run(*command, cwd=tmp_path).returncode == 0  # without --resume: all again
    assert [len((tmp_path / f"ran.{i}").read_text().split()) for i in (1, 2, 3)] == [3, 4, 3]


def test_a_signal_stops_the_children_of_the_parts(tmp_path):
    script = "sleep 60 & echo $! > child.JOB; wait"
    process = subprocess.Popen(
        [*RUNNER, "JOB=1:2", "--max_jobs_run", "2", "log/x.JOB.log", "bash", "-c", script],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    children = [tmp_path / "child.1", tmp_path / "child.2"]
    deadline = time.monotonic() + 20
    while not all(path.exists() and path.read_text().strip() for path in children):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    _, text = process.communicate(timeout=20)
    assert process.returncode == 128 + signal.SIGTERM and "interrupted" in text
    for path in children:
        status = Path(f"/proc/{path.read_text().strip()}/stat")
        # Where nobody reaps orphans a stopped child stays as a zombie.
        assert not status.exists() or status.read_text().rsplit(")", 1)[1].split()[0] == "Z"
    assert "stopped from outside" in (tmp_path / "log" / "x.1.log").read_text()
    assert not list(tmp_path.glob("log/*.done"))


def test_gpu_is_part_index_modulo_visible_devices(tmp_path):
    command = ["JOB=1:3", "JOB.log", "bash", "-c", "echo $CUDA_VISIBLE_DEVICES > gpu.JOB"]
    assert run("--gpu", "1", *command, cwd=tmp_path, CUDA_VISIBLE_DEVICES="4,7").returncode == 0
    assert [(tmp_path / f"gpu.{i}").read_text().strip() for i in (1, 2, 3)] == ["7", "4", "7"]


@pytest.mark.slow
def test_wrong_calls_are_one_line(tmp_path):
    for arguments, reason in [
        (["JOB=2:1", "x.JOB.log", "true"], "the range is empty"),
        (["JOB=1:2", "x.log", "true"], "does not occur in the log's name"),
        (["JOB=1:2", "x.JOB.log"], "a log file and a command are needed"),
        (["--gpu", "many", "x.log", "true"], "--gpu: not a number"),
    ]:
        result = run(*arguments, cwd=tmp_path)
        assert result.returncode == 1 and reason in result.stderr and len(result.stderr.splitlines()) == 1


def test_print_nj_is_limited_by_cores_and_by_memory(tmp_path):
    assert 1 <= int(run("--print_nj", cwd=tmp_path).stdout) <= os.cpu_count()
    assert run("--print_nj", "--mem_per_job", "100000", cwd=tmp_path).stdout == "1\n"
