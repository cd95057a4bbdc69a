"""Where a recording is active and where it pauses."""

from collections.abc import Iterator

import numpy as np

FRAME_SECONDS = 0.02
# A pause is this far below the loudest stretch. The noise of a mixture at 15 dB SNR lies some 21 dB below it.
PAUSE_DB = -27.0
LOUDEST_SECONDS = 0.4  # length of that stretch: a click is not the level of a recording
MIN_PAUSE_SECONDS = 0.2  # shorter gaps are part of words


def frame_size(sample_rate: int) -> int:
    """Return the samples per frame."""
    return max(1, round(FRAME_SECONDS * sample_rate))


def frame_powers(samples: np.ndarray, sample_rate: int) -> np.ndarray:
    """Return the mean square of each frame of ``samples (sample,)``; the last frame may be shorter."""
    size = frame_size(sample_rate)
    squares = np.square(samples, dtype=np.float64)
    starts = np.arange(0, len(samples), size)
    return np.add.reduceat(squares, starts) / np.diff(starts, append=len(samples)) if len(samples) else squares


def find_pauses(powers: np.ndarray, min_seconds: float = MIN_PAUSE_SECONDS) -> Iterator[tuple[int, int]]:
    """Yield ``(first frame, frame after the last)`` of each pause, which may be the whole recording if it is silent.

    Args:
        powers: ``(frame,)``, as :func:`frame_powers` returns them.
        min_seconds: shortest pause.
    """
    width = max(1, min(len(powers), round(LOUDEST_SECONDS / FRAME_SECONDS)))
    sums = np.concatenate([[0.0], np.cumsum(powers)])
    loudest = float(np.max(sums[width:] - sums[:-width], initial=0.0)) / width
    quiet = powers <= loudest * 10.0 ** (PAUSE_DB / 10.0)
    edges = np.flatnonzero(np.diff(quiet, prepend=False, append=False)).tolist()
    for start, stop in zip(edges[::2], edges[1::2]):
        if stop - start >= round(min_seconds / FRAME_SECONDS):
            yield start, stop
