"""What ESPnet's log of a training tells about its speed."""

import re
import statistics
from pathlib import Path
from typing import NamedTuple


class TrainingSpeed(NamedTuple):
    """Of a training: steps per second (median over the log's lines) and the share of time spent waiting for data."""

    steps_per_second: float
    waiting_share: float


def read_training_speed(log: Path) -> TrainingSpeed | None:
    """Read ``train.log``; None where it is missing or holds no step.

    The first line of each run counts for nothing: workers start and caches fill in it.
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
