"""The line that shows what a stream does."""

import sys
from time import monotonic
from typing import TextIO

import numpy as np

FLOOR_DB = -99.0


class StatusLine:
    """Level before and after, load and glitches on one line of a terminal, several times a second.

    Args:
        target: terminal; default: standard error.
        interval_seconds: time between updates.
    """

    def __init__(self, target: TextIO | None = None, interval_seconds: float = 0.25):
        self._target, self._interval = target or sys.stderr, interval_seconds
        self._begin()
        self._shown = False

    def _begin(self) -> None:
        self._started = monotonic()
        self._power = {"in": 0.0, "out": 0.0}
        self._count = {"in": 0, "out": 0}
        self._busy = self._lasted = 0.0

    def heard(self, samples: np.ndarray, name: str) -> None:
        """Add samples ``(sample, channel)`` before (``in``) or after (``out``) enhancement."""
        self._power[name] += float(np.square(samples, dtype=np.float64).sum())
        self._count[name] += samples.size

    def worked(self, busy_seconds: float, audio_seconds: float, num_glitches: int) -> None:
        """Add the time that a block took and that it lasts, and show the line if it is time.

        Args:
            busy_seconds, audio_seconds: times of this block.
            num_glitches: of the whole stream.
        """
        self._busy += busy_seconds
        self._lasted += audio_seconds
        if monotonic() - self._started < self._interval:
            return
        load = 100 * self._busy / max(self._lasted, 1e-9)
        parts = [f"{name} {self._level(name):5.1f} dBFS" for name in ("in", "out")]
        line = f"{'   '.join(parts)}   load {load:3.0f} %   glitches {num_glitches}"
        self._target.write(f"\r{line:<72}")
        self._target.flush()
        self._shown = True
        self._begin()

    def _level(self, name: str) -> float:
        mean = self._power[name] / max(self._count[name], 1)
        return max(FLOOR_DB, 10 * float(np.log10(max(mean, 1e-20))))

    def end(self) -> None:
        """Go to the next line."""
        if self._shown:
            self._target.write("\n")
