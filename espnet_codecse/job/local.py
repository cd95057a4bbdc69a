"""The local back end: processes of this machine, each its own process group."""

import contextlib
import os
import signal
import time

from espnet_codecse.job.abs_backend import AbsBackend, Part, Resources
from espnet_codecse.job.interrupt import signals_as_exception
from espnet_codecse.job.part_process import PartProcess
from espnet_codecse.job.resources import default_nj, num_cores, visible_gpus

POLL_SECONDS = 0.02
GRACE_SECONDS = 5.0


class LocalBackend(AbsBackend):
    """Runs at most ``max_jobs_run`` parts at once; by default one per core, or one per GPU with ``--gpu``."""

    def run(self, parts: list[Part], resources: Resources) -> dict[int, int]:
        gpus = visible_gpus() if resources.gpu > 0 else []
        limit = resources.max_jobs_run
        if limit <= 0:
            limit = max(1, len(gpus) // resources.gpu) if gpus else num_cores()
        waiting, status = list(parts), {}
        running: list[PartProcess] = []
        with signals_as_exception():
            try:
                while waiting or running:
                    while waiting and len(running) < limit:
                        running.append(_start(waiting.pop(0), gpus, resources.gpu))
                    for job in [job for job in running if job.process.poll() is not None]:
                        running.remove(job)
                        status[job.part.index] = job.finish()
                    time.sleep(POLL_SECONDS if running else 0.0)
            finally:
                _stop(running)
        return status

    def default_nj(self, mem_per_job: float) -> int:
        return default_nj(mem_per_job)


def _start(part: Part, gpus: list[str], num_gpus: int) -> PartProcess:
    environment = {}
    if gpus:
        chosen = {gpus[(part.index * num_gpus + offset) % len(gpus)]: None for offset in range(num_gpus)}
        environment["CUDA_VISIBLE_DEVICES"] = ",".join(chosen)
    return PartProcess(part, environment)


def _stop(running: list[PartProcess]) -> None:
    """Stop the process group of every running part with SIGTERM, and with SIGKILL after some seconds."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        for job in running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(job.process.pid, number)
        deadline = time.monotonic() + GRACE_SECONDS
        while running and time.monotonic() < deadline and any(job.process.poll() is None for job in running):
            time.sleep(POLL_SECONDS)
    for job in running:
        job.abandon()
