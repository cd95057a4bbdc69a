"""The Slurm back end on a cluster of one node: logs, markers and status as with the local back end, and failures."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from slurm_cluster import needs_slurm, slurm_cluster

ROOT = Path(__file__).resolve().parents[3]
ROWS = "train:\n    mem: 100M\n    time: 10\n    nj: 5\n    retries: 1\n"

pytest.importorskip("submitit")


@pytest.fixture(scope="module", name="cluster")
def running_cluster():
    with slurm_cluster() as variables:
        yield {**os.environ, **variables, "PYTHONPATH": str(ROOT)}


@pytest.fixture(name="start")
def starter(cluster, tmp_path):
    (tmp_path / "slurm.yaml").write_text(ROWS)

    def start(*arguments: str) -> subprocess.Popen:
        runner = [sys.executable, "-m", "espnet_codecse.job", "--backend", "slurm", "--config", "slurm.yaml"]
        return subprocess.Popen([*runner, *arguments], cwd=tmp_path, env=cluster, stderr=subprocess.PIPE, text=True)

    return start


def until(condition) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def queue(cluster) -> list:
    command = ["squeue", "--noheader", "--array", "--format=%i %T"]
    return subprocess.run(command, env=cluster, capture_output=True, text=True, check=True).stdout.splitlines()


@needs_slurm
@pytest.mark.slow
def test_a_failed_part_is_tried_again_and_only_missing_ones_by_the_next_call(start, tmp_path):
    command = ["--resume", "JOB=1:3", "log/x.JOB.log", "bash", "-c", "echo ran >> ran.JOB; [ JOB -ne 2 ] || [ -e ok ]"]
    process = start(*command)
    _, text = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "log/x.2.log: status 1 (job " in text and "submitted again, 1 of 1" in text
    assert "1 of 3 parts failed" in text and "job: log/x.2.log: status 1\n    # host: " in text
    assert sorted(path.name for path in tmp_path.glob("log/*.done")) == ["x.1.log.done", "x.3.log.done"]
    lines = (tmp_path / "log/x.1.log").read_text().splitlines()
    assert [line.split(":")[0] for line in lines] == ["# host", "# command", "# started", "#", "# ended"]
    assert "status 0, 0." in lines[-1]
    (tmp_path / "ok").touch()
    process = start(*command)
    _, text = process.communicate(timeout=60)
    assert process.returncode == 0 and "2 of 3 parts skipped (already done)" in text and "1 parts submitted" in text
    assert [len((tmp_path / f"ran.{part}").read_text().split()) for part in (1, 2, 3)] == [1, 3, 1]
    files = sorted(path.name for path in (tmp_path / "log").iterdir())
    assert files == [f"x.{part}.log{suffix}" for part in (1, 2, 3) for suffix in ("", ".done")]


@needs_slurm
@pytest.mark.slow
def test_tasks_of_a_killed_runner_are_waited_for(start, cluster, tmp_path):
    command = ["JOB=1:2", "log/x.JOB.log", "bash", "-c", "echo ran >> ran.JOB; until [ -e go ]; do sleep 0.1; done"]
    process = start(*command)
    until(lambda: len(list(tmp_path.glob("ran.*"))) == 2)
    process.kill()
    process.communicate()
    assert len(queue(cluster)) == 2
    process = start(*command)
    assert "2 of 2 parts are already in the queue" in process.stderr.readline()
    (tmp_path / "go").touch()
    _, text = process.communicate(timeout=60)
    assert process.returncode == 0 and "submitted" not in text
    assert [(tmp_path / f"ran.{part}").read_text() for part in (1, 2)] == ["ran\n"] * 2


@needs_slurm
@pytest.mark.slow
def test_tasks_of_another_command_are_cancelled_first(start, tmp_path):
    process = start("x.log", "bash", "-c", "touch began; sleep 100")
    until((tmp_path / "began").exists)
    process.kill()
    process.communicate()
    process = start("x.log", "true")
    _, text = process.communicate(timeout=60)
    assert process.returncode == 0 and "cancelling jobs of an earlier, different command" in text


@needs_slurm
@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_cancels_the_jobs(start, cluster, tmp_path, number):
    process = start("JOB=1:3", "log/x.JOB.log", "bash", "-c", "touch began.JOB; sleep 100")
    until(lambda: len(list(tmp_path.glob("began.*"))) == 2)  # the third waits for a core
    process.send_signal(number)
    _, text = process.communicate(timeout=60)
    assert process.returncode == 128 + number and "interrupted" in text
    assert not queue(cluster)
    assert "stopped from outside" in (tmp_path / "log/x.1.log").read_text()
    assert not list(tmp_path.glob("log/*.done"))


@needs_slurm
@pytest.mark.slow
def test_killed_requeued_and_cancelled_tasks(start, cluster, tmp_path):
    process = start("JOB=1:2", "log/x.JOB.log", "bash", "-c", "echo $PPID >> ran.JOB; [ -e go.JOB ] || sleep 100")
    until(lambda: len(list(tmp_path.glob("ran.*"))) == 2)
    first = re.search(r"job (\d+)", process.stderr.readline()).group(1)
    for part in (1, 2):
        (tmp_path / f"go.{part}").touch()
    os.kill(int((tmp_path / "ran.1").read_text()), signal.SIGKILL)
    subprocess.run(["scontrol", "requeue", f"{first}_1"], env=cluster, check=True)
    _, text = process.communicate(timeout=60)
    assert process.returncode == 0
    assert f"log/x.1.log: status 1 (job {first}_0: FAILED" in text and "submitted again" in text
    assert "log/x.2.log: requeued by Slurm" in text
    assert [len((tmp_path / f"ran.{part}").read_text().split()) for part in (1, 2)] == [2, 2]
    process = start("y.log", "bash", "-c", "touch began; sleep 100")
    until((tmp_path / "began").exists)
    subprocess.run(["scancel", re.search(r"job (\d+)", process.stderr.readline()).group(1)], env=cluster, check=True)
    _, text = process.communicate(timeout=60)
    assert process.returncode == 1 and "submitted again" not in text  # who cancels a job wants it to stay so


@needs_slurm
@pytest.mark.slow
def test_what_slurm_refuses_and_why_jobs_wait(start):
    process = start("--partition", "gpu", "x.log", "true")
    _, text = process.communicate(timeout=60)
    assert process.returncode == 1 and len(text.splitlines()) == 1
    assert "invalid partition specified: gpu" in text and "its partitions are: closed, main" in text
    process = start("--mem", "900G", "x.log", "true")
    _, text = process.communicate(timeout=60)
    assert process.returncode == 1 and len(text.splitlines()) == 1 and "Memory specification" in text
    process = start("--partition", "closed", "x.log", "true")
    assert "submitted" in process.stderr.readline()
    assert "1 of 1 parts wait in the queue: 1 x PartitionDown" in process.stderr.readline()
    process.terminate()
    process.communicate(timeout=60)


@pytest.mark.slow
def test_without_slurm_one_line_tells_what_to_do(tmp_path):
    (tmp_path / "slurm.yaml").write_text(ROWS)
    for options, message in [
        (["--config", "slurm.yaml"], "sbatch: not found; run this on a node of the cluster, or use cmd_backend=local"),
        (["--config", "none.yaml"], "none.yaml: no such file"),
        (["--config", "slurm.yaml", "--kind", "cuda"], "slurm.yaml: has no kind 'cuda'; known: train"),
        (["--config", "slurm.yaml", "--time", "soon"], "'soon' is not a time"),
    ]:
        runner = [sys.executable, "-m", "espnet_codecse.job", "--backend", "slurm", *options, "x.log", "true"]
        environment = {"PYTHONPATH": str(ROOT), "PATH": ""}
        result = subprocess.run(runner, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert result.returncode == 1 and message in result.stderr and len(result.stderr.splitlines()) == 1


def test_rows_of_several_files_and_options(tmp_path, monkeypatch):
    from espnet_codecse.job.abs_backend import Resources
    from espnet_codecse.job.slurm_settings import minutes, read_settings, settings_files

    template, recipe = tmp_path / "template.yaml", tmp_path / "recipe.yaml"
    template.write_text("train: {partition: '', mem: 4G, time: 8:00:00, cpus: 2, gpu: 0, nj: 7, max_jobs_run: 9}\n")
    recipe.write_text("train:\n    partition: big\n    account: speech\n    exclusive: true\n")
    monkeypatch.setenv("CODECSE_SLURM_CONF", f"{template}:{tmp_path / 'missing.yaml'}:{recipe}")
    settings = read_settings("train", settings_files(), Resources(2, 0, {"gpu": "2", "mem": "9G", "name": "ignored"}))
    assert settings.nj == 7 and settings.retries == 2
    expected = {
        "partition": "big",
        "mem": "9G",
        "time": 480,
        "cpus_per_task": 2,
        "gpus_per_node": 2,
        "array_parallelism": 9,
        "additional_parameters": {"account": "speech", "exclusive": True},
    }
    assert {key: settings.parameters[key] for key in expected} == expected
    assert read_settings("train", [template], Resources(0, 0, {})).parameters.get("partition") is None
    times = {"90": 90, "90:30": 91, "1:30:00": 90, "2-0": 2880, "1-1:30": 1530, "1-1:30:30": 1531}
    assert {text: minutes("", text) for text in times} == times
