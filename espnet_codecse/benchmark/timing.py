"""Measure the time and memory of training steps of several systems, which run in turn."""

import contextlib
import re
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple, TypeVar

import torch

from espnet_codecse.progress import Progress

Name = TypeVar("Name", bound=Hashable)


class Cost(NamedTuple):
    """Cost of one system: seconds of each step, the share of time spent on reading data, and peak memory in bytes."""

    seconds: list[float]
    reading_share: float
    peak_bytes: int


def not_reading(function: Callable[[], Any]) -> Callable[[], float]:
    """Return ``function`` as a step of :func:`measure_in_turns` that never waits for data."""

    def step() -> float:
        function()
        return 0.0

    return step


def measure_in_turns(
    steps: Mapping[Name, Callable[[], float]], device: str, num_rounds: int, steps_a_round: int
) -> dict[Name, Cost]:
    """Run the steps of all systems in turn, so that other load on the machine affects all of them equally.

    Args:
        steps: by name, a function that runs one training step and returns the seconds spent waiting for data.
        device: torch device.
        num_rounds: rounds over all systems, after one warm-up round that is not counted.
        steps_a_round: steps of each system per round.
    """
    seconds: dict[Name, list[float]] = {name: [] for name in steps}
    waited = dict.fromkeys(steps, 0.0)
    peaks = dict.fromkeys(steps, 0)
    progress = Progress(num_rounds + 1, "rounds, with one to warm up")
    for number in range(num_rounds + 1):
        for name, step in steps.items():
            before = start_peak(device)
            for _ in range(steps_a_round if number else 1):
                started = perf_counter()
                reading = step()
                if device != "cpu":
                    torch.cuda.synchronize()
                if number:
                    seconds[name].append(perf_counter() - started)
                    waited[name] += reading
            peaks[name] = max(peaks[name], peak_memory(device) - before)
        progress.update(1)
    progress.close()
    return {name: Cost(seconds[name], waited[name] / sum(seconds[name]), peaks[name]) for name in steps}


def start_peak(device: str) -> int:
    """Reset the peak and return the bytes in use."""
    if device != "cpu":
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        return torch.cuda.memory_allocated()
    with contextlib.suppress(OSError):  # if not permitted, the peak is that of the process so far
        Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def peak_memory(device: str) -> int:
    """Return the largest number of bytes in use since :func:`start_peak`."""
    return torch.cuda.max_memory_allocated() if device != "cpu" else _status("VmHWM")


def _status(name: str) -> int:
    """Return an entry of this process's status, in bytes."""
    found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found.group(1)) * 1024 if found else 0
