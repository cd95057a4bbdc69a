"""How long the frames of a stream take."""

import numpy as np


class FrameTimes:
    """Time per frame on one thread.

    Args:
        frame_seconds: what a frame lasts.
    """

    def __init__(self, frame_seconds: float):
        self._frame_seconds = frame_seconds
        self._seconds: list[float] = []
        self._total = 0.0

    def add(self, busy_seconds: float, num_frames: float) -> None:
        """Add a block that completed ``num_frames`` frames. One that completed none would distort the percentiles."""
        self._total += busy_seconds
        if num_frames:
            self._seconds.append(busy_seconds / num_frames)

    def report(self, audio_seconds: float) -> str:
        """Return percentiles and the worst frame as text, for a stream of ``audio_seconds``."""
        if not self._seconds:
            return "no frame was completed"
        p50, p95, p99, worst = 1000 * np.percentile(self._seconds, (50, 95, 99, 100))
        late = sum(value > self._frame_seconds for value in self._seconds)
        return (
            f"{len(self._seconds)} frames of {1000 * self._frame_seconds:g} ms on one thread: p50 {p50:.2f} ms, "
            f"p95 {p95:.2f} ms, p99 {p99:.2f} ms, worst {worst:.2f} ms; "
            f"{late} took longer than they last; real-time factor {self._total / audio_seconds:.3f}"
        )
