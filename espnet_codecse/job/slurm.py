"""The Slurm back end: job arrays, with the same logs and markers as the local back end.

The file ``<log>.slurm`` beside each log names the job of its part. It is written before the job is submitted, so that
after a runner was killed at any moment, the next one finds its tasks again. It waits for tasks that are still queued or
running instead of submitting them twice, or cancels them first if their command has changed.
"""

import contextlib
import io
import json
import os
import re
import shutil
import sys
import time
import uuid
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from espnet_codecse.errors import UserError
from espnet_codecse.fileio import atomic_path
from espnet_codecse.job.abs_backend import AbsBackend, Part, Resources
from espnet_codecse.job.interrupt import Interrupted, ignore_signals, signals_as_exception
from espnet_codecse.job.marker import command_hash, forget, is_done
from espnet_codecse.job.part_process import note_end
from espnet_codecse.job.slurm_queue import QueueEntry, Task, cancel, check_programs, list_queue, partitions
from espnet_codecse.job.slurm_settings import SlurmSettings, read_settings

PENDING_SECONDS = 10.0  # time until the runner reports why parts wait
RESULT_SECONDS = 15.0  # longest time until a file from another node appears here
CANCEL_SECONDS = 60.0  # longest time for cancelled tasks to end
LOST = 1  # status of a part that left no status


@dataclass
class _Submitted:
    part: Part
    task: Task
    folder: Path  # submitit's files
    attempt: int = 0
    restarts: int = 0  # restarts reported so far


class SlurmBackend(AbsBackend):
    """Submits parts as one array and waits for them.

    Args:
        kind: section of slurm.yaml: ``train``, ``cuda`` or ``decode``.
        files: the slurm.yaml files.
    """

    def __init__(self, kind: str, files: list[Path]):
        self.kind, self.files = kind, files

    def run(self, parts: list[Part], resources: Resources) -> dict[int, int]:
        settings = read_settings(self.kind, self.files, resources)
        if not parts:
            return {}
        check_programs()
        running: dict[int, _Submitted] = {}
        status: dict[int, int] = {}
        with signals_as_exception():
            try:
                running.update(_adopt(parts))
                _submit([part for part in parts if part.index not in running], settings, running)
                self._wait(settings, running, status)
            except (Interrupted, UserError):
                ignore_signals()
                _cancel_all(running)
                raise
        if not any(status.values()):
            _tidy(parts)
        return status

    def default_nj(self, mem_per_job: float) -> int:
        return read_settings(self.kind, self.files, Resources(0, 0, {})).nj

    def _wait(self, settings: SlurmSettings, running: dict[int, _Submitted], status: dict[int, int]) -> None:
        """Wait until nothing is ``running``; fill in ``status``; resubmit parts that failed."""
        start, told, silent = time.monotonic(), "", False
        while running:
            # Poll often at first, for short stages, and rarely in long stages, to spare the controller.
            time.sleep(min(10.0, max(0.3, 0.1 * (time.monotonic() - start))))
            queue = list_queue({job.task[0] for job in running.values()})
            if queue is None:
                if not silent:
                    print("job: squeue does not respond; waiting for it", file=sys.stderr)
                silent = True
                continue
            silent, again = False, []
            for index, job in list(running.items()):
                entry = queue.get(job.task)
                if entry is not None:
                    _tell_restart(job, entry)
                    if entry.alive:
                        continue
                del running[index]
                status[index] = _outcome(job, entry)
                cancelled = entry is not None and entry.state == "CANCELLED"
                if status[index] and job.attempt < settings.retries and not cancelled:
                    print(
                        f"job: {job.part.log}: status {status[index]} ({entry or 'no longer in the queue'}); "
                        f"submitted again, {job.attempt + 1} of {settings.retries}",
                        file=sys.stderr,
                    )
                    again.append(job)
            if again:
                _submit([job.part for job in again], settings, running)
                for job in again:
                    running[job.part.index].attempt = job.attempt + 1
            elif time.monotonic() - start > PENDING_SECONDS:
                told = _tell_pending(running, queue, told)


def _record_path(part: Part) -> Path:
    return part.log.with_name(part.log.name + ".slurm")


def _label(part: Part) -> str:
    """Return the stage's name for squeue from the log's name: ``infer_noisy_test`` from ``infer_noisy_test.3.log``."""
    name = re.sub(rf"\.{part.index}$", "", part.log.stem)
    return re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_") or "job"


def _adopt(parts: list[Part]) -> dict[int, _Submitted]:
    """Find tasks that an earlier runner left; cancel those with another command."""
    found: dict[int, _Submitted] = {}
    outdated: set[str] = set()
    for part in parts:
        try:
            record = json.loads(_record_path(part).read_text(encoding="utf-8"))
            task, folder, same = tuple(record["task"]), Path(record["folder"]), record["command"] == command_hash(part)
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if same:
            found[part.index] = _Submitted(part, task, folder)
        else:
            outdated.add(task[0])
    names = outdated | {job.task[0] for job in found.values()}
    queue = list_queue(names) if names else {}
    if queue is None:
        raise UserError("squeue: Slurm's controller does not answer; run the same command again later")
    outdated &= {name for (name, _), entry in queue.items() if entry.alive}
    if outdated:
        print("job: cancelling jobs of an earlier, different command", file=sys.stderr)
        _cancel_and_wait(outdated)
    adopted = {
        index: job
        for index, job in found.items()
        if job.task[0] not in outdated and job.task in queue and queue[job.task].alive
    }
    if adopted:
        print(f"job: {len(adopted)} of {len(parts)} parts are already in the queue; waiting for them", file=sys.stderr)
    return adopted


def _submit(parts: list[Part], settings: SlurmSettings, running: dict[int, _Submitted]) -> None:
    """Submit ``parts`` as one array and add them to ``running``.

    Raises:
        UserError: Slurm refuses the job, or the logs cannot be written.
    """
    if not parts:
        return
    import submitit

    from espnet_codecse.job.slurm_task import RunPart

    name = f"{_label(parts[0])}-{uuid.uuid4().hex[:8]}"
    folder = parts[0].log.parent.absolute() / "slurm" / name
    try:
        folder.mkdir(parents=True)
        for position, part in enumerate(parts):
            forget(part)
            job = _Submitted(part, (name, position), folder)
            record = {"task": job.task, "folder": str(folder), "command": command_hash(part)}
            with atomic_path(_record_path(part)) as temporary:
                temporary.write_text(json.dumps(record), encoding="utf-8")
            running[part.index] = job
    except OSError as error:
        raise UserError(f"{folder}: cannot be written ({error.strerror}); check the folder of the logs") from error
    # A job submitted from within another job must not inherit that job's limits. It does inherit the location of
    # Slurm's configuration and the rest of the environment.
    saved = {key: value for key, value in os.environ.items() if key.startswith(("SLURM", "SBATCH", "SRUN"))}
    for key in set(saved) - {"SLURM_CONF"}:
        del os.environ[key]
    try:
        executor = submitit.SlurmExecutor(folder=folder)
        executor.update_parameters(job_name=name, **settings.parameters)
        with contextlib.redirect_stderr(io.StringIO()):  # sbatch's messages are in the exception
            jobs = executor.submit_array([RunPart(part) for part in parts])
    except submitit.core.utils.FailedJobError as error:
        for part in parts:
            del running[part.index]
        raise UserError(_refusal(str(error), settings)) from error
    finally:
        os.environ.update(saved)
    print(f"job: {len(parts)} parts submitted as job {jobs[0].job_id.split('_')[0]} ({name})", file=sys.stderr)


def _refusal(text: str, settings: SlurmSettings) -> str:
    errors = re.findall(r"error: (.*)", text) or [text.strip().splitlines()[-1]]
    advice = "correct slurm.yaml"
    if "partition" in text:
        advice = f"its partitions are: {', '.join(partitions()) or 'unknown'}; correct slurm.yaml"
    return f"{settings.source}: sbatch refused the job ({'; '.join(dict.fromkeys(errors))}); {advice}"


def _outcome(job: _Submitted, entry: QueueEntry | None) -> int:
    """Return the status of a task that has left the queue; 0 if and only if its part is marked done."""
    from submitit.core.utils import JobPaths, pickle_load

    reason = str(entry or "no longer in the queue")
    if entry is not None:
        result = JobPaths(job.folder, job_id=entry.job_id).result_pickle
        deadline = time.monotonic() + (RESULT_SECONDS if entry.state == "COMPLETED" else 0.0)
        while time.monotonic() < deadline and not result.exists():
            time.sleep(0.2)
        if result.exists():
            kind, value = pickle_load(result)
            if kind == "success" and (value != 0 or _is_marked(job.part)):
                return int(value)
            if kind == "error":
                reason += f": {value.strip().splitlines()[-1]}"
    if is_done(job.part):
        return 0
    note_end(job.part.log, f"without a status: {reason}")
    return LOST


def _is_marked(part: Part) -> bool:
    deadline = time.monotonic() + RESULT_SECONDS
    while not is_done(part):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


def _tell_restart(job: _Submitted, entry: QueueEntry) -> None:
    if entry.restarts > job.restarts:
        job.restarts = entry.restarts
        print(f"job: {job.part.log}: requeued by Slurm (preempted, out of time, or its node failed)", file=sys.stderr)


def _tell_pending(running: dict[int, _Submitted], queue: dict[Task, QueueEntry], told: str) -> str:
    """Report why parts wait whenever the reasons change; return the reasons."""
    entries = [queue[job.task] for job in running.values() if job.task in queue]
    # Waiting for the array's own limit is expected.
    reasons = Counter(
        entry.reason
        for entry in entries
        if entry.state == "PENDING" and entry.reason not in ("None", "JobArrayTaskLimit")
    )
    text = ", ".join(sorted(reasons))
    if text and text != told:
        counts = ", ".join(f"{number} x {reason}" for reason, number in sorted(reasons.items()))
        print(f"job: {sum(reasons.values())} of {len(running)} parts wait in the queue: {counts}", file=sys.stderr)
    return text


def _cancel_and_wait(names: set[str]) -> None:
    cancel(names)
    deadline = time.monotonic() + CANCEL_SECONDS
    while time.monotonic() < deadline:
        queue = list_queue(names)
        if queue is not None and not any(entry.alive for entry in queue.values()):
            return
        time.sleep(0.5)


def _cancel_all(running: dict[int, _Submitted]) -> None:
    """Cancel the tasks in the queue and close the logs."""
    if running:
        _cancel_and_wait({job.task[0] for job in running.values()})
    for job in running.values():
        if not is_done(job.part):
            note_end(job.part.log, "stopped from outside")


def _tidy(parts: list[Part]) -> None:
    """After success, remove submitit's files and the records, including those of earlier attempts."""
    folder, label = parts[0].log.parent, _label(parts[0])
    for record in folder.glob("*.slurm"):
        try:
            if json.loads(record.read_text(encoding="utf-8"))["task"][0].rpartition("-")[0] == label:
                record.unlink()
        except (OSError, ValueError, KeyError):
            continue
    for submission in (folder / "slurm").glob(f"{label}-{'[0-9a-f]' * 8}"):
        shutil.rmtree(submission, ignore_errors=True)
    with contextlib.suppress(OSError):  # not empty: files of another stage
        (folder / "slurm").rmdir()
