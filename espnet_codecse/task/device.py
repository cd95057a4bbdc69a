"""The devices of this machine, and ESPnet's options for training on them and on several machines."""

import argparse
import os
import subprocess
from collections.abc import Sequence

from espnet_codecse.errors import UserError
from espnet_codecse.job.resources import num_cores, processor_name

DEVICES = ("auto", "cpu", "cuda")


def check_device(device: str) -> None:
    """Check that ``auto``, ``cpu``, ``cuda`` or ``cuda:N`` is there; torch is imported only for the last two.

    Raises:
        UserError: the device is unknown or not available.
    """
    kind, _, index = device.partition(":")
    if kind not in DEVICES or (":" in device and not (kind == "cuda" and index.isascii() and index.isdigit())):
        raise UserError(f"--device {device}: must be one of {', '.join(DEVICES)}")
    if kind == "cuda" and int(index or 0) >= (count := num_gpus()):
        raise UserError(f"--device {device}: PyTorch sees {_gpus(count)}; pass --device cpu, or see codecse doctor")


def resolve_device(device: str) -> str:
    """Return a torch device for ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        UserError: as :func:`check_device`.
    """
    check_device(device)
    if device == "auto":
        return "cuda" if num_gpus() else "cpu"
    return device


def check_num_gpus(ngpu: int) -> None:
    """Check that this machine has the GPUs that ``--ngpu`` asks for.

    Raises:
        UserError: it has fewer.
    """
    if ngpu > 0 and ngpu > (count := num_gpus()):
        raise UserError(f"--ngpu {ngpu}: PyTorch sees {_gpus(count)}; pass --ngpu {count}, or see codecse doctor")


def num_gpus() -> int:
    """Return the number of GPUs that PyTorch sees."""
    import torch

    return torch.cuda.device_count()  # unlike is_available(), it leaves CUDA usable in processes that are forked


def describe_device(device: str, threads: int) -> str:
    """Return the name of a GPU, or of the processor with the number of threads, for reports and logs.

    Args:
        device: torch device, ``cpu``, ``cuda`` or ``cuda:N``.
        threads: number of torch threads.
    """
    if device != "cpu":
        import torch

        return torch.cuda.get_device_name(device)
    return f"{processor_name()}, {threads} thread{'s' if threads > 1 else ''}"


def _gpus(count: int) -> str:
    return "no GPU" if count == 0 else f"{count} GPU(s)"


def device_options(argv: Sequence[str]) -> list[str]:
    """Return ESPnet's options for this machine's devices and for the processes that train together.

    ``--ngpu N`` starts one process per GPU. Processes also train together if they were started by ``torchrun``, or by a
    Slurm step (``srun``) with several tasks, one per node or per GPU. Without a GPU torch uses all cores: recipes
    export ``OMP_NUM_THREADS=1`` for their parallel jobs, but a training is a single process.

    Args:
        argv: the training's options as given; they follow these options and take precedence.

    Raises:
        UserError: ``--ngpu`` asks for more GPUs than there are.
    """
    import torch

    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--ngpu", type=int)
    ngpu = parser.parse_known_args(list(argv))[0].ngpu
    options = []
    check_num_gpus(ngpu or 0)
    if ngpu is None:
        ngpu = int(num_gpus() > 0)
        options = ["--ngpu", str(ngpu)]
    if ngpu == 0:
        torch.set_num_threads(num_threads())
        options += ["--dist_backend", "gloo"]
    if _number("WORLD_SIZE") > 1 and "RANK" in os.environ:
        return options
    if _number("SLURM_NTASKS") > 1 and "SLURM_STEP_NODELIST" in os.environ:
        options += ["--dist_launcher", "slurm", "--dist_master_addr", _first_host(os.environ["SLURM_STEP_NODELIST"])]
        # The port must be the same on all nodes, and must differ between jobs that share the first node.
        options += ["--dist_master_port", str(20000 + _number("SLURM_JOB_ID") % 40000)]
    return [*options, "--multiprocessing_distributed", "true"] if ngpu > 1 else options


def check_sync_debug(mode: str, argv: Sequence[str]) -> None:
    """Check that a training with ``--sync_debug`` runs on a GPU.

    Args:
        mode: ``none``, ``warn`` or ``error``.
        argv: the training's options, including those of :func:`device_options`.

    Raises:
        UserError: it runs on a CPU.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--ngpu", type=int, default=0)
    if mode != "none" and not parser.parse_known_args(list(argv))[0].ngpu:
        raise UserError(f"--sync_debug {mode}: needs a GPU, and this training runs on the CPU; leave it out")


def num_threads() -> int:
    """Return the cores for this process: those it may run on, divided among the processes on this machine."""
    cores = num_cores()
    if "SLURM_STEP_NODELIST" in os.environ:  # not every cluster binds tasks to cores
        cores = min(cores, max(1, _number("SLURM_CPUS_PER_TASK")))
    return max(1, cores // max(1, _number("LOCAL_WORLD_SIZE")))


def use_all_cores() -> None:
    """Let torch use every core that this process may run on."""
    import torch

    torch.set_num_threads(num_threads())


def _number(variable: str) -> int:
    return int(os.environ.get(variable) or 0)


def _first_host(nodes: str) -> str:
    """Return the first host of a list in Slurm's notation, such as ``gpu-[03-04,07]``."""
    listed = subprocess.run(["scontrol", "show", "hostnames", nodes], capture_output=True, text=True, check=True)
    return listed.stdout.split()[0]
