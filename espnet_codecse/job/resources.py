"""How many parts this machine can run at once, from its cores and free memory."""

import ctypes
import os
import re
import shutil
import subprocess
from pathlib import Path


def num_cores() -> int:
    """Cores this process may use: its affinity, cut by the container's quota."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        if quota != "max":
            cores = min(cores, max(1, int(quota) // int(period)))
    except (OSError, ValueError):
        pass  # no cgroup v2: the affinity is all there is
    return max(1, cores)


def free_memory() -> float:
    """Free memory in GB (10^9 bytes), cut by the container's limit; infinity where it is not known."""
    free = float("inf")
    try:
        found = re.search(r"MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text())
        if found:
            free = int(found.group(1)) * 1024 / 1e9
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
        if limit != "max":
            used = int(Path("/sys/fs/cgroup/memory.current").read_text())
            free = min(free, (int(limit) - used) / 1e9)
    except (OSError, ValueError):
        pass
    return free


def peak_memory() -> int:
    """Most bytes that this process has held in memory so far; 0 where the system does not tell."""
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    except OSError:
        return 0
    return int(found.group(1)) * 1024 if found else 0


def keep_freed_memory() -> None:
    """Make glibc's allocator keep what is freed, up to 64 MB at once, for what is asked for next.

    Without it every tensor over a few megabytes is a new mapping whose pages the kernel clears one by one: a fifth of
    the time of a small network on a CPU. Elsewhere than on glibc it does nothing.
    """
    trim_threshold, top_pad, mmap_max = -1, -2, -4  # of malloc.h
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    for parameter, value in ((mmap_max, 0), (trim_threshold, 64 << 20), (top_pad, 16 << 20)):
        mallopt(parameter, value)


def default_nj(mem_per_job: float = 2.0) -> int:
    """Parts to run at once: one a core, fewer where ``mem_per_job`` (GB) times that does not fit in memory."""
    by_memory = free_memory() / max(mem_per_job, 1e-3)
    return max(1, int(min(num_cores(), by_memory)))


def visible_gpus() -> list[str]:
    """Names for CUDA_VISIBLE_DEVICES of the GPUs that this process may use, found without torch."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return [name.strip() for name in chosen.split(",") if name.strip() not in ("", "-1")]
    if shutil.which("nvidia-smi") is None:
        return []
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
    return re.findall(r"^GPU (\d+):", listed.stdout, flags=re.MULTILINE)
