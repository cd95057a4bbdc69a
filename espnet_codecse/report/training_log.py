"""What ``train.log`` of ESPnet's trainer says about a training: curves, speed, and what it took."""

import math
import re
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

Curves = dict[str, dict[str, list[list[float]]]]
"""``{quantity: {phase: [[epoch, value], ...]}}``; the phases are ``train`` and ``valid``."""

MACHINE = "The training runs on "
"""Begins the line with the machine, which ``task/trainer.py`` writes at each start."""

_EPOCH = re.compile(r"(\d+)epoch results: (.*)")
_PHASE = re.compile(r"\[(train|valid)\] ([^\[]*)")
_VALUE = re.compile(r"(\w+)=([-+]?(?:\d+\.?\d*(?:e[-+]?\d+)?|nan|inf))(?=,|\s|$)")
_NOT_A_CURVE = re.compile(r"(.*_)?time|total_count|loss_scale")
_STEP = re.compile(r"epoch:train:(\d+)-\d+batch: iter_time=([\d.e+-]+),.*train_time=([\d.e+-]+)")
_COUNT = re.compile(r"total_count=(\d+)")
_TIME = re.compile(r"(?<![a-z_])time=([^=]*?), total_count=")
_TIME_PART = re.compile(r"([\d.]+) (week|day|hour|minute|second)")
_PARAMETERS = re.compile(r"Number of trainable parameters: ([\d.]+ ?[KMG]?)")
_SECONDS = {"week": 604800, "day": 86400, "hour": 3600, "minute": 60, "second": 1}


class TrainingSpeed(NamedTuple):
    """Speed of a training: steps per second (median over log lines), and the share of time spent waiting for data."""

    steps_per_second: float
    waiting_share: float


class TrainingSummary(NamedTuple):
    """What a training took.

    Attributes:
        num_steps: batches that the networks were trained on.
        num_seconds: time of training and validation. What a killed run did after its last epoch does not count.
        num_parameters: trainable ones, as ESPnet writes them: ``12.69 M``; empty if unknown.
        machines: processor or GPU of each run, without repetition; empty if unknown.
    """

    num_steps: int
    num_seconds: float
    num_parameters: str
    machines: tuple[str, ...]


def _lines(log: Path) -> Iterator[str]:
    with open(log, encoding="utf-8", errors="replace") as stream:
        yield from stream


def read_curves(log: Path) -> Curves:
    """Return the epochs of ``train.log``; if a restart repeated an epoch, the later one counts.

    Values that are not finite are left out and leave a gap in the curve.
    """
    found: dict[str, dict[str, dict[int, float]]] = {}
    for epoch, phases in _epochs(log):
        for phase, text in phases.items():
            for name, value in _VALUE.findall(text):
                if not _NOT_A_CURVE.fullmatch(name) and math.isfinite(float(value)):
                    found.setdefault(name, {}).setdefault(phase, {})[epoch] = float(value)
    return {
        name: {phase: [[epoch, value] for epoch, value in sorted(table.items())] for phase, table in phases.items()}
        for name, phases in found.items()
    }


def _epochs(log: Path) -> Iterator[tuple[int, dict[str, str]]]:
    for line in _lines(log):
        found = _EPOCH.search(line)
        if found:
            yield int(found.group(1)), dict(_PHASE.findall(found.group(2)))


def read_speed(log: Path) -> TrainingSpeed | None:
    """Return the speed, or None if the file is missing or has no steps.

    The first line of each epoch is ignored, because it includes the start of workers and the filling of caches.
    """
    if not log.is_file():
        return None
    steps = [found.groups() for line in _lines(log) if (found := _STEP.search(line)) and found.group(1) != "1"]
    waiting, seconds = ([float(step[column]) for step in steps] for column in (1, 2))
    if not seconds or not sum(seconds):
        return None
    return TrainingSpeed(1 / max(statistics.median(seconds), 1e-9), sum(waiting) / sum(seconds))


def read_summary(log: Path) -> TrainingSummary | None:
    """Return what the training took, or None if the file is missing or no epoch ended."""
    if not log.is_file():
        return None
    epochs = {epoch: phases for epoch, phases in _epochs(log) if "train" in phases}
    counted = [int(found.group(1)) for phases in epochs.values() if (found := _COUNT.search(phases["train"]))]
    if not counted:
        return None
    num_parameters = ""
    machines: list[str] = []
    for line in _lines(log):
        if found := _PARAMETERS.search(line):
            num_parameters = found.group(1).strip()
        _, begins, machine = line.partition(MACHINE)
        if begins and machine.strip() not in machines:
            machines.append(machine.strip())
    num_seconds = sum(_seconds(text) for phases in epochs.values() for text in phases.values())
    return TrainingSummary(max(counted), num_seconds, num_parameters, tuple(machines))


def _seconds(phase: str) -> float:
    """Return the time of a phase, such as ``time=1 hour, 2 minutes and 3.4 seconds``."""
    found = _TIME.search(phase)
    return sum(float(number) * _SECONDS[unit] for number, unit in _TIME_PART.findall(found.group(1))) if found else 0.0
