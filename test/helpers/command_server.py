"""Runs ``codecse`` commands in forks of one process that has imported the libraries, each within limits.

    python command_server.py    reads one JSON object per line, {"argv": [...], "folder": ...}, and answers with one

A fork takes milliseconds, where starting a command takes seconds, and cannot harm the next one.
"""

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import traceback
from dataclasses import dataclass
from pathlib import Path

MAX_SECONDS = 20.0
MAX_MEGABYTES = 2000
# Address space beyond what the libraries have mapped. An allocation beyond it fails at once instead of filling the
# machine's memory; what is below but over MAX_MEGABYTES shows in the peak.
EXTRA_ADDRESS_SPACE = 4 << 30


@dataclass(frozen=True)
class CommandResult:
    """What a command did.

    Attributes:
        status: exit status; None: it was stopped after ``MAX_SECONDS``.
        output, errors: texts of stdout and stderr.
        megabytes: largest resident memory.
    """

    status: int | None
    output: str
    errors: str
    megabytes: float


class CommandServer:
    """The other end of the pipe; a context manager."""

    def __enter__(self) -> "CommandServer":
        # OpenMP reads the second one when torch is loaded, which is before any command could set it.
        variables = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", "HF_HUB_OFFLINE": "1"}
        environment = {**os.environ, **variables}
        command = [sys.executable, __file__]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        return self

    def __exit__(self, *_) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def run(self, argv: list[str], folder: Path) -> CommandResult:
        """Run one command; its streams are kept in ``folder``."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps({"argv": argv, "folder": str(folder)}) + "\n")
        self._process.stdin.flush()
        status, megabytes = json.loads(self._process.stdout.readline())
        texts = [(folder / name).read_text(errors="replace") for name in ("stdout", "stderr")]
        return CommandResult(status, *texts, megabytes)


def serve() -> None:
    """Import the libraries and answer until the input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    import kaldiio  # noqa: F401
    import soxr  # noqa: F401
    import torch

    import espnet_codecse.corpus.check
    import espnet_codecse.metrics.score
    import espnet_codecse.recording.work
    import espnet_codecse.zoo.pack
    from espnet_codecse.task.loading import quiet_imports

    with quiet_imports():
        import espnet_codecse.task.enhancement  # noqa: F401

    torch.set_num_threads(1)
    # Commands that use all cores would otherwise wait for each other's threads.
    cores = sorted(os.sched_getaffinity(0))
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
    os.sched_setaffinity(0, {cores[worker % len(cores)]})
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps(_run(request["argv"], Path(request["folder"]))), file=answers, flush=True)


def _run(argv: list[str], folder: Path) -> tuple[int | None, float]:
    child = os.fork()
    if not child:
        _become_command(argv, folder)
    stopped = threading.Event()

    def stop() -> None:
        stopped.set()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)

    timer = threading.Timer(MAX_SECONDS, stop)
    timer.start()
    _, status, usage = os.wait4(child, 0)
    timer.cancel()
    timer.join()  # no thread may live when the next command is forked
    code = os.waitstatus_to_exitcode(status)
    return None if stopped.is_set() else code, usage.ru_maxrss / 1024


def _become_command(argv: list[str], folder: Path) -> None:
    """Run the command in this new process, and end it."""
    status = 70
    try:
        os.setsid()
        for number, name in ((1, "stdout"), (2, "stderr")):
            os.dup2(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (mapped + EXTRA_ADDRESS_SPACE,) * 2)
        os.chdir(folder)
        from espnet_codecse.bin.main import main

        status = main(argv)
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else 1
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    serve()
