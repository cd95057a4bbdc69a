"""The task that submitit runs on a node: one part."""

import os
from dataclasses import replace

from espnet_codecse.job.abs_backend import Part
from espnet_codecse.job.part_process import PartProcess


class RunPart:
    """Runs a part as the local back end does and returns its status; submitit sends this object to the node."""

    def __init__(self, part: Part):
        self.part = part

    def __call__(self) -> int:
        """Run the part; with several nodes each node runs it, and the log and status of the first count."""
        part, rank = self.part, int(os.environ.get("SLURM_PROCID", "0"))
        if rank > 0:
            part = replace(part, log=part.log.with_name(f"{part.log.name}.rank{rank}"))
        # Slurm stops all processes of a task, which it may track by process group, so the part stays in the group.
        job = PartProcess(part, own_group=False)
        job.process.wait()
        return job.finish()

    def checkpoint(self) -> object | None:
        """Requeue the task unchanged; submitit calls this before a time-out or preemption."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)
