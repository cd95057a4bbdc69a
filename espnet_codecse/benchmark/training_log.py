"""Read the speed of a training from ESPnet's log."""

import re
import statistics
from pathlib import Path
from typing import NamedTuple


class TrainingSpeed(NamedTuple):
    """Speed of a training: steps per second (median over log lines), and the share of time spent waiting for data."""

    steps_per_second: float
    waiting_share: float


def read_training_speed(log: Path) -> TrainingSpeed | None:
    """Read ``train.log``; return None if it is missing or has no steps.

    The first line of each run is ignored, because it includes the start of workers and the filling of caches.
    """
    if not log.is_file():
        return None
    waiting: list[float] = []
    seconds: list[float] = []
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        found = re.search(r"epoch:train:(\d+)-\d+batch: iter_time=([\d.e+-]+),.*train_time=([\d.e+-]+)", line)
        if found and found.group(1) != "1":
            waiting.append(float(found.group(2)))
            seconds.append(float(found.group(3)))
    if not seconds or not sum(seconds):
        return None
    return TrainingSpeed(1 / max(statistics.median(seconds), 1e-9), sum(waiting) / sum(seconds))
