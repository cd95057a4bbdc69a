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
    mean = float(values.mean())
    if count == 1:
        return Interval(mean, mean, mean, 1)
    from scipy.stats import bootstrap

    found = bootstrap(
        (values,),
        np.mean,
        n_resamples=NUM_RESAMPLES,
        batch=max(1, min(NUM_RESAMPLES, _CHUNK_VALUES // count)),
        confidence_level=confidence,
        method="percentile",
        rng=np.random.default_rng(SEED),
    ).confidence_interval
    return Interval(mean, float(found.low), float(found.high), count)
