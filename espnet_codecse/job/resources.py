"""Resources of this machine: cores, memory, GPUs, and the number of parts that can run at once."""

import contextlib
import ctypes
import errno
import os
import platform
import re
import resource
import shutil
import subprocess
from pathlib import Path

from espnet_codecse.errors import UserError

CGROUP = Path("/sys/fs/cgroup")  # inside a container, its own group


def num_cores() -> int:
    """Return the cores that this process may use: its affinity, limited by the container's quota."""
    cores = _affinity()
    for files in ((CGROUP / "cpu.max",), (CGROUP / "cpu/cpu.cfs_quota_us", CGROUP / "cpu/cpu.cfs_period_us")):
        try:
            quota, period = " ".join(file.read_text() for file in files).split()
            if quota not in ("max", "-1"):
                cores = min(cores, max(1, int(quota) // int(period)))
        except (OSError, ValueError):
            pass  # another version of cgroups, or none
    return max(1, cores)


def _affinity() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processor_name() -> str:
    """Return the model of the processor as Linux calls it, or the architecture."""
    try:
        found = re.search(r"^model name\s*: *(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return " ".join(found.group(1).split()) if found else f"{platform.machine()} processor"


def limit_threads() -> None:
    """Let numerical libraries start no more threads than the container's quota allows, unless the user set a number.

    They count the cores of the machine. It must be called before torch or NumPy is imported.
    """
    cores = num_cores()
    if cores < _affinity():
        os.environ.setdefault("OMP_NUM_THREADS", str(cores))


def allow_open_files(num_workers: int) -> None:
    """Let a training open as many files as the system allows; its workers pass every tensor as an open file.

    Args:
        num_workers: processes that prepare batches.

    Raises:
        UserError: the system allows too few for that many workers.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Two batches of up to eight tensors wait per worker; the rest are pipes.
    need = 32 + 24 * num_workers
    if num_workers > 0 and hard != resource.RLIM_INFINITY and hard < need:
        raise UserError(
            f"--num_workers {num_workers}: needs up to {need} open files, but the limit is {hard}; raise it with "
            f"'ulimit -n {need}', or use fewer workers"
        )
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):  # some systems limit it further
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def too_many_open_files(error: BaseException) -> bool:
    """Return whether ``error`` says that this process, or the machine, cannot open another file."""
    if isinstance(error, OSError):
        return error.errno in (errno.EMFILE, errno.ENFILE)
    return isinstance(error, RuntimeError) and str(error).startswith("Too many open files")  # of torch's workers


def free_memory() -> float:
    """Return free memory in GB (10^9 bytes), limited by the container; infinity if unknown."""
    free = float("inf")
    try:
        found = re.search(r"MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text())
        if found:
            free = int(found.group(1)) * 1024 / 1e9
    except OSError:
        pass
    for limit, used in (
        (CGROUP / "memory.max", CGROUP / "memory.current"),
        (CGROUP / "memory/memory.limit_in_bytes", CGROUP / "memory/memory.usage_in_bytes"),
    ):
        try:
            if (text := limit.read_text().strip()) != "max":
                free = min(free, (int(text) - int(used.read_text())) / 1e9)
        except (OSError, ValueError):
            pass  # another version of cgroups, or none
    return free


def peak_memory() -> int:
    """Return the peak memory of this process so far, in bytes; 0 if unknown."""
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    except OSError:
        return 0
    return int(found.group(1)) * 1024 if found else 0


def keep_freed_memory() -> None:
    """Make glibc's allocator keep up to 64 MB of freed memory for later allocations.

    Otherwise every tensor of more than a few megabytes is a new mapping whose pages the kernel clears one by one, which
    takes a fifth of the time of a small network on a CPU. Without glibc this does nothing.
    """
    trim_threshold, top_pad, mmap_max = -1, -2, -4  # constants of malloc.h
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    for parameter, value in ((mmap_max, 0), (trim_threshold, 64 << 20), (top_pad, 16 << 20)):
        mallopt(parameter, value)


def default_nj(mem_per_job: float = 2.0) -> int:
    """Return the number of parts to run at once: one per core, or fewer if ``mem_per_job`` (GB) requires it."""
    by_memory = free_memory() / max(mem_per_job, 1e-3)
    return max(1, int(min(num_cores(), by_memory)))


def visible_gpus() -> list[str]:
    """Return the GPUs that this process may use, as names for CUDA_VISIBLE_DEVICES; works without torch."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return [name.strip() for name in chosen.split(",") if name.strip() not in ("", "-1")]
    if shutil.which("nvidia-smi") is None:
        return []
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
    return re.findall(r"^GPU (\d+):", listed.stdout, flags=re.MULTILINE)
