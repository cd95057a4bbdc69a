"""What the trainings do with the machine, and with several: ESPnet's options for it."""

import argparse
import os
import subprocess
from collections.abc import Sequence

from espnet_codecse.job.resources import num_cores


def device_options(argv: Sequence[str]) -> list[str]:
    """Return ESPnet's options for this machine's devices and for the processes that train together.

    ``--ngpu N`` starts a process for each of N GPUs. Processes that something else has started train together where
    that something says so: ``torchrun``, or a Slurm step (``srun``) with several tasks, one for each node or for each
    GPU. Without a GPU torch uses all cores: recipes export ``OMP_NUM_THREADS=1`` for their parallel jobs, but a
    training is one process.

    Args:
        argv: the options of the training as given; what they say about these matters comes last and counts.
    """
    import torch

    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--ngpu", type=int)
    has_gpu = torch.cuda.is_available()
    ngpu = parser.parse_known_args(list(argv))[0].ngpu
    options = []
    if ngpu is None:
        ngpu = int(has_gpu)
        options = ["--ngpu", str(ngpu)]
    if ngpu == 0:
        torch.set_num_threads(num_threads())
        options += ["--dist_backend", "gloo"]
    if _number("WORLD_SIZE") > 1 and "RANK" in os.environ:
        return options
    if _number("SLURM_NTASKS") > 1 and "SLURM_STEP_NODELIST" in os.environ:
        options += ["--dist_launcher", "slurm", "--dist_master_addr", _first_host(os.environ["SLURM_STEP_NODELIST"])]
        # The same on all nodes, and another one for a job that shares the first node.
        options += ["--dist_master_port", str(20000 + _number("SLURM_JOB_ID") % 40000)]
    return [*options, "--multiprocessing_distributed", "true"] if ngpu > 1 else options


def num_threads() -> int:
    """Cores for this process: those it may run on, or its part where several train on this machine."""
    cores = num_cores()
    if "SLURM_STEP_NODELIST" in os.environ:  # not every cluster binds a task to its cores
        cores = min(cores, max(1, _number("SLURM_CPUS_PER_TASK")))
    return max(1, cores // max(1, _number("LOCAL_WORLD_SIZE")))


def use_all_cores() -> None:
    """Let torch use every core that this process may run on."""
    import torch

    torch.set_num_threads(num_threads())


def _number(variable: str) -> int:
    return int(os.environ.get(variable) or 0)


def _first_host(nodes: str) -> str:
    """Return the first host of Slurm's list, such as ``gpu-[03-04,07]``."""
    listed = subprocess.run(["scontrol", "show", "hostnames", nodes], capture_output=True, text=True, check=True)
    return listed.stdout.split()[0]
