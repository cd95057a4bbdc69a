"""A look-ahead limiter: peaks beyond full scale are turned down smoothly instead of being cut off."""

import numpy as np

REACH_SECONDS = 0.005  # the gain falls and rises over this much before and after a peak


class Limiter:
    """Turns down what exceeds full scale, all channels of an output by the same gain; everything else is unchanged.

    Blocks come out late, because a peak is turned down before it begins. The levels of peaks and of what is around them
    keep their proportion, as the gain has no corners.

    Args:
        sample_rate: Hz.
        ceiling: largest absolute sample that the format stores.
    """

    def __init__(self, sample_rate: int, ceiling: float):
        self._reach, self._ceiling = max(1, round(REACH_SECONDS * sample_rate)), ceiling
        self._outputs: np.ndarray | None = None
        self._beside: np.ndarray | None = None
        self._num_context = 0  # samples at the beginning of the buffer that are out already
        self.num_limited = 0

    def push(
        self, outputs: np.ndarray, beside: np.ndarray | None = None, last: bool = False
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Take samples and return those that no later one changes.

        Args:
            outputs: ``(output, sample, channel)``.
            beside: ``(sample, channel)`` of a signal that is delayed like the outputs and not limited.
            last: nothing follows.

        Returns:
            ``(output, sample, channel)`` and the samples of ``beside``; with ``last``, all that remain.
        """
        if self._outputs is not None:
            outputs = np.concatenate([self._outputs, outputs], axis=1)
        if beside is not None and self._beside is not None:
            beside = np.concatenate([self._beside, beside])
        margin = 2 * self._reach
        end = outputs.shape[1] if last else max(self._num_context, outputs.shape[1] - margin)
        peaks = np.abs(outputs).max(axis=2, initial=0.0)
        ready = np.array([self._limited(*pair)[self._num_context : end] for pair in zip(outputs, peaks)])
        with_context = max(0, end - margin)
        self._outputs = outputs[:, with_context:]
        ready_beside = None
        if beside is not None:
            ready_beside, self._beside = beside[self._num_context : end], beside[with_context:]
        self.num_limited += int((peaks[:, self._num_context : end] > 1.0).sum())
        self._num_context = end - with_context
        return ready, ready_beside

    def _limited(self, samples: np.ndarray, peaks: np.ndarray) -> np.ndarray:
        """Return ``samples (sample, channel)`` at the gain that their ``peaks (sample,)`` need."""
        if not (peaks > 1.0).any():
            return samples
        needed = np.where(peaks > 1.0, self._ceiling / np.maximum(peaks, 1.0), 1.0)
        # Each mean is over gains that do not exceed what the sample in their middle needs.
        lowest = _running_minimum(needed, self._reach)
        gain = np.minimum(_running_mean(lowest, self._reach), needed)
        gain[_running_minimum(lowest, self._reach) == 1.0] = 1.0  # which the mean is but for rounding
        return samples * gain[:, None]


def _running_minimum(values: np.ndarray, reach: int) -> np.ndarray:
    """Return the smallest of ``values (sample,)`` up to ``reach`` samples away; beyond the ends they are 1."""
    width, span = 2 * reach + 1, 1
    lowest = np.pad(values, reach, constant_values=1.0)
    while 2 * span <= width:
        lowest = np.minimum(lowest[:-span], lowest[span:])
        span *= 2
    return np.minimum(lowest[: len(values)], lowest[width - span :])


def _running_mean(values: np.ndarray, reach: int) -> np.ndarray:
    """Return the mean of ``values (sample,)`` up to ``reach`` samples away; the ends continue."""
    width = 2 * reach + 1
    sums = np.cumsum(np.pad(values, (reach + 1, reach), mode="edge"))
    return (sums[width:] - sums[:-width]) / width
