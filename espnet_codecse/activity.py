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
    return powers_of_frames(samples, frame_size(sample_rate))


def powers_of_frames(samples: np.ndarray, size: int) -> np.ndarray:
    """Return the mean square of each ``size`` of ``samples (..., sample)``; the last frame may be shorter."""
    squares = np.square(samples, dtype=np.float64)
    num_samples = samples.shape[-1]
    starts = np.arange(0, num_samples, size)
    return np.add.reduceat(squares, starts, axis=-1) / np.diff(starts, append=num_samples) if num_samples else squares


def find_pauses(
    powers: np.ndarray, min_seconds: float = MIN_PAUSE_SECONDS, frame_seconds: float = FRAME_SECONDS
) -> Iterator[tuple[int, int]]:
    """Yield ``(first frame, frame after the last)`` of each pause, which may be the whole recording if it is silent.

    Args:
        powers: ``(frame,)``, as :func:`frame_powers` returns them, or ``(channel, frame)``: all channels pause.
        min_seconds: shortest pause.
        frame_seconds: length of a frame.
    """
    channels = np.atleast_2d(powers)
    quiet = np.all([_quiet(channel, frame_seconds) for channel in channels], axis=0)
    edges = np.flatnonzero(np.diff(quiet, prepend=False, append=False)).tolist()
    for start, stop in zip(edges[::2], edges[1::2]):
        if stop - start >= round(min_seconds / frame_seconds):
            yield start, stop


def _quiet(powers: np.ndarray, frame_seconds: float) -> np.ndarray:
    """Return the mask of frames that are far below the loudest stretch of ``powers (frame,)``."""
    return powers <= loudest_power(powers, frame_seconds) * 10.0 ** (PAUSE_DB / 10.0)


def loudest_power(powers: np.ndarray, frame_seconds: float = FRAME_SECONDS) -> float:
    """Return the mean of the loudest :data:`LOUDEST_SECONDS` of ``powers (frame,)``; 0 without frames."""
    width = max(1, min(len(powers), round(LOUDEST_SECONDS / frame_seconds)))
    sums = np.concatenate([[0.0], np.cumsum(powers)])
    return float(np.max(sums[width:] - sums[:-width], initial=0.0)) / width
