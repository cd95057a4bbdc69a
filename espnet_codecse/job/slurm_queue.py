"""Access to Slurm's queue through its programs; also works on clusters without accounting."""

import os
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass

from espnet_codecse.errors import UserError

# Final states; in all others Slurm runs the task, or will run it (again).
FINAL = frozenset(
    [
        "COMPLETED",
        "FAILED",
        "CANCELLED",
        "TIMEOUT",
        "NODE_FAIL",
        "PREEMPTED",
        "OUT_OF_MEMORY",
        "BOOT_FAIL",
        "DEADLINE",
        "REVOKED",
    ]
)
Task = tuple[str, int]  # name of the job, index in its array


@dataclass(frozen=True)
class QueueEntry:
    """A task as listed by squeue, which keeps finished tasks for some minutes.

    Attributes:
        job_id: ``12_3``, or ``12`` if it is not an array.
        state: ``PENDING``, ``RUNNING``, ...
        reason: why the task waits, or how it ended; the text ``None`` if there is no reason.
        restarts: number of times that Slurm requeued the task.
    """

    job_id: str
    state: str
    reason: str
    restarts: int = 0

    @property
    def alive(self) -> bool:
        """Whether Slurm runs the task, or will run it."""
        return self.state not in FINAL

    def __str__(self) -> str:
        state = "" if self.state == "COMPLETED" else f": {self.state}"  # the status of the command is more informative
        return f"job {self.job_id}{state}" + ("" if self.reason == "None" else f", {self.reason}")


def check_programs() -> None:
    """Check that jobs can be submitted from this machine.

    Raises:
        UserError: Slurm's programs or submitit are missing.
    """
    for program in ("sbatch", "squeue", "scancel", "srun"):
        if shutil.which(program) is None:
            raise UserError(f"{program}: not found; run this on a node of the cluster, or use cmd_backend=local")
    try:
        import submitit  # noqa: F401
    except ImportError:
        raise UserError("submitit: not installed; run python3 -m pip install submitit") from None


def list_queue(names: Iterable[str]) -> dict[Task, QueueEntry] | None:
    """Return the tasks of the jobs ``names``; None if the controller does not answer."""
    command = ["squeue", "--noheader", "--array", "--states=all", f"--user={os.getuid()}", f"--name={','.join(names)}"]
    # The short --format has no restart count; --Format truncates columns to their width. Only the last contains spaces.
    columns = "--Format=Name:256,ArrayTaskID:32,ArrayJobID:32,State:32,RestartCnt:32,Reason:256"
    result = subprocess.run([*command, columns], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if result.returncode != 0:
        return None
    entries = {}
    for line in result.stdout.splitlines():
        name, index, job_id, state, restarts, reason = line.split(None, 5)
        is_array = index.isdigit()
        entry = QueueEntry(f"{job_id}_{index}" if is_array else job_id, state, reason.strip(), int(restarts))
        entries[name, int(index) if is_array else 0] = entry
    return entries


def cancel(names: Iterable[str]) -> None:
    """Cancel all tasks of the jobs ``names``."""
    for name in names:
        command = ["scancel", f"--user={os.getuid()}", f"--name={name}"]
        subprocess.run(command, capture_output=True, check=False, stdin=subprocess.DEVNULL)


def partitions() -> list[str]:
    """Return the names of the cluster's partitions."""
    result = subprocess.run(["sinfo", "--noheader", "--format=%R"], capture_output=True, text=True, check=False)
    return sorted(set(result.stdout.split()))
