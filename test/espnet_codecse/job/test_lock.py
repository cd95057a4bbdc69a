"""A folder has one writer, and what a recipe started ends with it."""

import os
import signal
import subprocess
import sys
import time

import pytest

from espnet_codecse.errors import UserError
from espnet_codecse.job.lifeline import VARIABLE
from espnet_codecse.job.lock import exclusive

HOLD = """
import sys, time
from pathlib import Path
from espnet_codecse.job.lock import exclusive
with exclusive(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""
FOLLOW = "import time; from espnet_codecse.job.lifeline import follow_recipe; follow_recipe(); {}; time.sleep(60)"


def ended(pid: int, seconds: float = 15.0) -> bool:
    """Return whether a process that is no child ends within ``seconds``."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            with open(f"/proc/{pid}/stat") as stream:
                if stream.read().rsplit(")", 1)[1].split()[0] == "Z":
                    return True
        except FileNotFoundError:
            return True
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    return False


def test_the_second_process_is_told_who_is_first(tmp_path):
    first = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert first.stdout.readline() == "held\n"
        with (
            pytest.raises(UserError, match=f"process {first.pid} on .* since .* is writing into it"),
            exclusive(tmp_path),
        ):
            pass
        # Shares and outputs of other names are others' work.
        with exclusive(tmp_path, (1, 2)), exclusive(tmp_path, (2, 2)), exclusive(tmp_path, name="spk1"):
            pass
    finally:
        first.kill()
        first.wait()
    with exclusive(tmp_path):  # however the first one ended
        pass


def test_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="a file is where a folder should be"), exclusive(tmp_path / "file" / "below"):
        pass


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_what_a_recipe_started_ends_with_it(number):
    # As in a recipe: bash waits for a pipeline.
    script = f"{sys.executable} -c '{FOLLOW.format('import os; print(os.getpid(), flush=True)')}' | cat; true"
    shell = subprocess.Popen(
        ["bash", "-c", script], stdout=subprocess.PIPE, text=True, env={**os.environ, VARIABLE: "1"}
    )
    pid = int(shell.stdout.readline())
    shell.send_signal(number)
    shell.wait()
    assert ended(pid)


def test_parts_end_with_a_killed_runner(tmp_path):
    part = FOLLOW.format(f'import os; open("{tmp_path}/pid.JOB", "w").write(str(os.getpid()))')
    command = [
        sys.executable,
        "-m",
        "espnet_codecse.job",
        "JOB=1:2",
        str(tmp_path / "log.JOB"),
        sys.executable,
        "-c",
        part,
    ]
    runner = subprocess.Popen([*command[:3], "--max_jobs_run", "2", *command[3:]])
    pids = [tmp_path / f"pid.{index}" for index in (1, 2)]
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and not all(path.is_file() and path.read_text() for path in pids):
        time.sleep(0.05)
    runner.kill()
    runner.wait()
    assert all(ended(int(path.read_text())) for path in pids)
