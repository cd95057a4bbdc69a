"""Training curves, read from the lines that ESPnet's trainer writes to ``train.log`` after each epoch."""

import math
import re
from pathlib import Path

Curves = dict[str, dict[str, list[list[float]]]]
"""``{quantity: {phase: [[epoch, value], ...]}}``; the phases are ``train`` and ``valid``."""

_EPOCH = re.compile(r"(\d+)epoch results: (.*)")
_PHASE = re.compile(r"\[(train|valid)\] ([^\[]*)")
_VALUE = re.compile(r"(\w+)=([-+]?(?:\d+\.?\d*(?:e[-+]?\d+)?|nan|inf))(?=,|\s|$)")
_NOT_A_CURVE = re.compile(r"(.*_)?time|total_count|loss_scale")


def read_curves(path: Path) -> Curves:
    """Return the epochs of ``train.log``; if a restart repeated an epoch, the later one counts.

    Values that are not finite are left out and leave a gap in the curve.
    """
    found: dict[str, dict[str, dict[int, float]]] = {}
    with open(path, encoding="utf-8", errors="replace") as stream:
        for line in stream:
            epoch = _EPOCH.search(line)
            if epoch is None:
                continue
            for phase, text in _PHASE.findall(epoch.group(2)):
                for name, value in _VALUE.findall(text):
                    if not _NOT_A_CURVE.fullmatch(name) and math.isfinite(float(value)):
                        found.setdefault(name, {}).setdefault(phase, {})[int(epoch.group(1))] = float(value)
    return {
        name: {phase: [[epoch, value] for epoch, value in sorted(table.items())] for phase, table in phases.items()}
        for name, phases in found.items()
    }
