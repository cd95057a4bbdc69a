"""Process long signals in overlapping, cross-faded pieces.

Segments bound the memory that a long recording needs. They are NumPy arrays of samples or frames, and their speakers
may come in any order. Windows are the inputs of a network with a fixed input length. They are tensors of frames.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import permutations

import numpy as np
import torch


def in_segments(
    process: Callable[[int, int], dict[str, np.ndarray]],
    bounds: Iterable[tuple[int, int, bool]],
    overlap: int,
    reorder: bool = True,
) -> Iterator[dict[str, np.ndarray]]:
    """Process a signal segment by segment in memory bounded by the segment.

    Args:
        process: ``process(start, count)`` returns ``{name: (speaker, count, ...)}``.
        bounds: the segments, as :func:`segment_bounds` yields them.
        overlap: units over which neighbours are cross-faded.
        reorder: the speakers of a segment may come in any order; reorder them to match the previous segment.

    Yields:
        Consecutive pieces ``{name: (speaker, unit, ...)}`` of the whole output.
    """
    tail: dict[str, np.ndarray] = {}
    for start, count, last in bounds:
        output = {}
        for name, piece in process(start, count).items():
            if name in tail:
                piece = _join(tail[name], piece, reorder)
            keep = piece.shape[1] if last else piece.shape[1] - overlap
            output[name], tail[name] = piece[:, :keep], piece[:, keep:]
        yield output


def segment_bounds(
    num_units: int, segment: int, overlap: int, cut: Callable[[int, int], int] | None = None
) -> Iterator[tuple[int, int, bool]]:
    """Yield ``(first unit, number of units, whether it is the last)`` per segment; neighbours share ``overlap`` units.

    Args:
        num_units: samples or frames of the whole signal.
        segment: most units of a segment, except for the last one, which may be longer by ``overlap``.
        overlap: units over which neighbours are cross-faded.
        cut: ``cut(start, count)`` returns the number of units, more than ``overlap`` and at most ``count``, after which
            the segment should end. Default: all segments but the last have the same length.
    """
    start = 0
    # A remainder within the overlap would consist of cross-fade only, so the last segment includes it.
    while num_units - start > segment + overlap:
        count = segment if cut is None else cut(start, segment)
        yield start, count, False
        start += count - overlap
    yield start, num_units - start, True


def _join(tail: np.ndarray, piece: np.ndarray, reorder: bool) -> np.ndarray:
    """Order the speakers of ``piece (speaker, unit, ...)`` as in ``tail``, and cross-fade over its length."""
    overlap = tail.shape[1]
    head = piece[:, :overlap]
    orders = permutations(range(len(tail))) if reorder else [range(len(tail))]
    best = max(orders, key=lambda order: sum(float(np.vdot(tail[i], head[j])) for i, j in enumerate(order)))
    piece = piece[list(best)].copy()
    fade = np.linspace(0.0, 1.0, overlap, dtype=np.float32).reshape(-1, *[1] * (piece.ndim - 2))
    piece[:, :overlap] = tail * (1 - fade) + piece[:, :overlap] * fade
    return piece


def window_starts(num_frames: int, window: int, overlap: int) -> list[int]:
    """Return the first frames of windows that cover ``num_frames``; the last window may extend beyond the end."""
    hop = window - overlap
    return list(range(0, max(num_frames - overlap, 1), hop))


def cut_windows(signal: torch.Tensor, window: int, overlap: int) -> tuple[torch.Tensor, list[int]]:
    """Return ``(windows (window, ..., frame), their first frames)`` of ``signal (..., frame)``, padded with zeros."""
    starts = window_starts(signal.shape[-1], window, overlap)
    missing = starts[-1] + window - signal.shape[-1]
    padded = torch.nn.functional.pad(signal, (0, max(missing, 0)))
    return torch.stack([padded[..., start : start + window] for start in starts]), starts


def join_windows(windows: torch.Tensor, starts: list[int], overlap: int, num_frames: int) -> torch.Tensor:
    """Return ``(..., num_frames)`` of ``windows (window, ..., frame)``, linearly cross-faded where they overlap."""
    length = windows.shape[-1]
    # The fade never reaches 0 or 1, so both windows contribute to each frame of an overlap.
    fade = (torch.arange(overlap, device=windows.device, dtype=windows.dtype) + 1) / (overlap + 1)
    output = windows.new_zeros(*windows.shape[1:-1], starts[-1] + length)
    for index, start in enumerate(starts):
        weight = windows.new_ones(length)
        if index > 0:
            weight[:overlap] = fade
        if index < len(starts) - 1:
            weight[length - overlap :] = 1 - fade
        output[..., start : start + length] += windows[index] * weight
    return output[..., :num_frames]
