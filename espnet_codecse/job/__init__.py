"""Run the parts of a stage: ``python3 -m espnet_codecse.job JOB=1:nj log/x.JOB.log command...``."""

from espnet_codecse.job.resources import default_nj

__all__ = ["default_nj"]
