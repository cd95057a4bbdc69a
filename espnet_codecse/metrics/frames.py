"""Windowed frames, shared by the metrics on short-time spectra."""

import numpy as np


def windowed_frames(speech: np.ndarray, size: int, step: int) -> np.ndarray:
    """Return ``(frame, size)`` of ``speech (sample,)`` in double precision, with a Hann window without zero ends.

    Only whole frames are returned; none if the speech is shorter than one frame.
    """
    if len(speech) < size:
        return np.zeros((0, size))
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(1, size + 1) / (size + 1))
    return np.lib.stride_tricks.sliding_window_view(speech.astype(np.float64), size)[::step] * window
