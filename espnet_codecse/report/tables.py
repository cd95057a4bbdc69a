"""Numbers, times and tables in Markdown."""

import math
from collections.abc import Sequence

from espnet_codecse.report.bootstrap import Interval

DECIMALS = {"STOI": 3, "ESTOI": 3}  # relevant differences are below 0.01


def number(metric: str, interval: Interval, signed: bool = False) -> str:
    """Return ``mean [low, high]``, or ``n/a`` if there are no values."""
    if interval.count == 0:
        return "n/a"
    form = f"{'+' if signed else ''}.{DECIMALS.get(metric, 2)}f"
    return f"{interval.mean:{form}} [{interval.low:{form}}, {interval.high:{form}}]"


def duration(seconds: float) -> str:
    """Return ``80 s``, ``12 min`` or ``1.5 h``."""
    if seconds < 90:
        return f"{math.ceil(seconds)} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table, followed by an empty line."""
    rows = [header, ["---"] * len(header), *lines]
    return ["|" + "|".join(cell.replace("|", "\\|") for cell in row) + "|" for row in rows] + [""]
