"""The pool gives all results, in processes or in this one, and turns a dead worker into one message."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pool_functions import die, square

from espnet_codecse.errors import UserError
from espnet_codecse.job.pool import map_unordered

ROOT = Path(__file__).resolve().parents[3]


def test_results_of_one_and_of_two_processes_agree():
    before = os.environ.get("OMP_NUM_THREADS")
    alone = list(map_unordered(square, range(9), 1))
    together = list(map_unordered(square, range(9), 2, threads=1))
    assert sorted(result[0] for result in together) == [result[0] for result in alone] == [n * n for n in range(9)]
    assert {result[1] for result in together} == {"1"} and os.environ.get("OMP_NUM_THREADS") == before
    assert os.getpid() not in {result[2] for result in together}


def test_a_dead_worker_is_a_user_error():
    with pytest.raises(UserError, match="a worker process died"):
        list(map_unordered(die, range(4), 2))


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_workers_end_at_once_with_a_parent_that_was_killed_or_interrupted(tmp_path, number):
    code = (
        # A shell's background process inherits an ignored SIGINT; a user's Ctrl-C meets the default.
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "from pool_functions import wait_for_ever; from espnet_codecse.job.pool import map_unordered;"
        f"list(map_unordered(wait_for_ever, [{str(tmp_path)!r}] * 2, 2))"
    )
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}/test/helpers:{ROOT}"}
    process = subprocess.Popen([sys.executable, "-c", code], env=environment, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while len(list(tmp_path.iterdir())) < 2:
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)
    process.send_signal(number)
    assert process.wait(timeout=20) != 0
    for path in tmp_path.iterdir():
        status = Path(f"/proc/{path.name}/stat")
        # Where nobody reaps orphans a dead worker stays as a zombie.
        while status.exists() and status.read_text().rsplit(")", 1)[1].split()[0] != "Z":
            assert time.monotonic() < deadline
            time.sleep(0.05)
