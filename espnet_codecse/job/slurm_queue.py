"""Slurm's queue through its own programs; it works on clusters without accounting too."""

import os
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass

from espnet_codecse.errors import UserError

# States after which nothing more happens; in all others Slurm still runs the task, or will (again).
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
    """A task as squeue shows it; finished ones stay for some minutes.

    Attributes:
        job_id: ``12_3``, or ``12`` where it is no array.
        state: ``PENDING``, ``RUNNING``, ...
        reason: why it waits, or how it ended; ``None`` as text where there is none.
        restarts: times that Slurm put it back into the queue.
    """

    job_id: str
    state: str
    reason: str
    restarts: int = 0

    @property
    def alive(self) -> bool:
        """Whether Slurm still runs it, or will."""
        return self.state not in FINAL

    def __str__(self) -> str:
        state = "" if self.state == "COMPLETED" else f": {self.state}"  # its command's status tells more
        return f"job {self.job_id}{state}" + ("" if self.reason == "None" else f", {self.reason}")


def check_programs() -> None:
    """Make sure that jobs can be submitted from here.

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
    """Return the tasks of the jobs ``names``; None when the controller does not answer."""
    command = ["squeue", "--noheader", "--array", "--states=all", f"--user={os.getuid()}", f"--name={','.join(names)}"]
    # The short --format knows no restarts; a column of --Format is cut at its width. Only the last one has blanks.
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
    """Names of the cluster's partitions."""
    result = subprocess.run(["sinfo", "--noheader", "--format=%R"], capture_output=True, text=True, check=False)
    return sorted(set(result.stdout.split()))
