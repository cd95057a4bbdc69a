"""The local back end: processes of this machine, each its own process group."""

import os
import shlex
import signal
import socket
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Dict, IO, Iterator, List

from espnet_codecse.errors import UserError
from espnet_codecse.job.abs_backend import AbsBackend, Part, Resources
from espnet_codecse.job.marker import forget, mark_done
from espnet_codecse.job.resources import num_cores, visible_gpus

SHELL_OPERATORS = frozenset({"|", ">", ">>", "<", "2>", "2>>", "2>&1", "&&", "||", ";"})
POLL_SECONDS = 0.02
GRACE_SECONDS = 5.0


class Interrupted(KeyboardInterrupt):
    """The runner received a signal; ``args[0]`` is its number."""


@dataclass
class _Running:
    part: Part
    process: subprocess.Popen
    log: IO[bytes]
    start: float


def shell_line(part: Part) -> str:
    """The command as one would type it: operators stay bare, everything else is quoted."""
    return " ".join(arg if arg in SHELL_OPERATORS else shlex.quote(arg) for arg in part.command)


def _time() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S")


class LocalBackend(AbsBackend):
    """Runs at most ``max_jobs_run`` parts at once; by default one a core, or one a GPU with ``--gpu``."""

    def run(self, parts: List[Part], resources: Resources) -> Dict[int, int]:
        gpus = visible_gpus() if resources.gpu > 0 else []
        limit = resources.max_jobs_run
        if limit <= 0:
            limit = max(1, len(gpus) // resources.gpu) if gpus else num_cores()
        waiting, running, status = list(parts), [], {}
        with _signals_as_exception():
            try:
                while waiting or running:
                    while waiting and len(running) < limit:
                        running.append(self._start(waiting.pop(0), gpus, resources.gpu))
                    for job in [job for job in running if job.process.poll() is not None]:
                        running.remove(job)
                        status[job.part.index] = self._finish(job)
                    time.sleep(POLL_SECONDS if running else 0.0)
            finally:
                _stop(running)
        return status

    def _start(self, part: Part, gpus: List[str], num_gpus: int) -> _Running:
        forget(part)
        try:
            part.log.parent.mkdir(parents=True, exist_ok=True)
            log = open(part.log, "wb")
        except OSError as error:
            raise UserError(f"{part.log}: the log cannot be written ({error.strerror}); check the folder") from error
        line = shell_line(part)
        log.write(f"# host: {socket.gethostname()}\n# command: {line}\n# started: {_time()}\n#\n".encode())
        log.flush()
        environment = dict(os.environ)
        if gpus:
            chosen = {gpus[(part.index * num_gpus + offset) % len(gpus)]: None for offset in range(num_gpus)}
            environment["CUDA_VISIBLE_DEVICES"] = ",".join(chosen)
        process = subprocess.Popen(
            ["bash", "-c", f"set -o pipefail; {line}"],
            stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=environment, start_new_session=True,
        )
        return _Running(part, process, log, time.monotonic())

    def _finish(self, job: _Running) -> int:
        status = job.process.returncode
        seconds = time.monotonic() - job.start
        # The children wrote through the same file description, so the position is at the end of their output.
        job.log.write(f"# ended: {_time()} status {status}, {seconds:.1f} seconds\n".encode())
        job.log.close()
        if status == 0:
            mark_done(job.part)
        return status


def _stop(running: List[_Running]) -> None:
    """Stop the whole process group of every running part: politely, then after some seconds for good."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        for job in running:
            try:
                os.killpg(job.process.pid, number)
            except ProcessLookupError:
                pass
        deadline = time.monotonic() + GRACE_SECONDS
        while running and time.monotonic() < deadline and any(job.process.poll() is None for job in running):
            time.sleep(POLL_SECONDS)
    for job in running:
        job.log.write(f"# ended: {_time()} stopped from outside\n".encode())
        job.log.close()


@contextmanager
def _signals_as_exception() -> Iterator[None]:
    """Within the block SIGINT, SIGTERM and SIGHUP raise ``Interrupted`` so that ``finally`` clauses run."""

    def _raise(number: int, frame: object) -> None:
        raise Interrupted(number)

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    previous = {number: signal.signal(number, _raise) for number in numbers}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
