"""Resources of this machine: cores, memory, GPUs, and the number of parts that can run at once."""

import ctypes
import os
import re
import shutil
import subprocess
from pathlib import Path


def num_cores() -> int:
    """Return the cores that this process may use: its affinity, limited by the container's quota."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        if quota != "max":
            cores = min(cores, max(1, int(quota) // int(period)))
    except (OSError, ValueError):
        pass  # no cgroup v2: only the affinity is known
    return max(1, cores)


def free_memory() -> float:
    """Return free memory in GB (10^9 bytes), limited by the container; infinity if unknown."""
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
