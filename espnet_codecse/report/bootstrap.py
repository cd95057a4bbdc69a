"""Means with bootstrap intervals."""

from dataclasses import dataclass

import numpy as np

NUM_RESAMPLES = 2000
SEED = 0
_CHUNK_VALUES = 4_000_000  # resampled values in memory at once


@dataclass(frozen=True)
class Interval:
    """A mean, the ends of its 95 % interval, and the number of values; nan if there are none."""

    mean: float
    low: float
    high: float
    count: int


def mean_interval(values: np.ndarray, confidence: float = 0.95) -> Interval:
    """Return the mean of ``values (utterance,)`` with its percentile bootstrap interval over utterances.

    nan values are left out. The generator is seeded, so the same values give the same interval. For the paired
    difference of two systems, pass the differences by utterance.
    """
    values = values[~np.isnan(values)]
    count = len(values)
    if count == 0:
        return Interval(float("nan"), float("nan"), float("nan"), 0)
    generator = np.random.default_rng(SEED)
    means = []
    step = max(1, min(NUM_RESAMPLES, _CHUNK_VALUES // count))
    for start in range(0, NUM_RESAMPLES, step):
        size = min(step, NUM_RESAMPLES - start)
        means.append(values[generator.integers(0, count, size=(size, count))].mean(axis=1))
    tail = 100 * (1 - confidence) / 2
    low, high = np.percentile(np.concatenate(means), [tail, 100 - tail])
    return Interval(float(values.mean()), float(low), float(high), count)
