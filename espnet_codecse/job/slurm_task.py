"""What runs on a node: one part, started by submitit."""

import os
from dataclasses import replace

from espnet_codecse.job.abs_backend import Part
from espnet_codecse.job.part_process import PartProcess


class RunPart:
    """Runs a part as the local back end does and returns its status; submitit sends it to the node."""

    def __init__(self, part: Part):
        self.part = part

    def __call__(self) -> int:
        """Run the part; on several nodes each runs it, and the first one's log and status count."""
        part, rank = self.part, int(os.environ.get("SLURM_PROCID", "0"))
        if rank > 0:
            part = replace(part, log=part.log.with_name(f"{part.log.name}.rank{rank}"))
        # Slurm signals and stops all of a task's processes, which it may know by their group.
        job = PartProcess(part, own_group=False)
        job.process.wait()
        return job.finish()

    def checkpoint(self) -> object | None:
        """Called before the end of a task's time and before preemption: it is to run again, as it was submitted."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)
