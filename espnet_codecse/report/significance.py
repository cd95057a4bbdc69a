"""Paired tests between systems on the same utterances."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

LEVEL = 0.05


class Comparison(NamedTuple):
    """The best system against another one.

    Attributes:
        best, other: positions of the two.
        difference: mean over the shared utterances, best less other.
        p_value: two-sided, adjusted for the number of comparisons.
    """

    best: int
    other: int
    difference: float
    p_value: float


def paired_p_value(first: np.ndarray, second: np.ndarray) -> float:
    """Two-sided Wilcoxon signed-rank test (Wilcoxon, 1945) of paired values ``(utterance,)``; 1 where all are equal.

    Ranks instead of values: scores have bounds and outliers, and their differences are not normal.
    """
    from scipy.stats import wilcoxon

    differences = first - second
    differences = differences[~np.isnan(differences)]
    if not np.any(differences):
        return 1.0
    return float(wilcoxon(differences).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values for their number (Holm, 1979), in the given order."""
    adjusted, running = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda index: p_values[index])):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = running
    return adjusted


def compare_with_best(systems: Sequence[np.ndarray], higher_is_better: bool) -> list[Comparison]:
    """Compare the system of the best mean with every other one.

    Args:
        systems: each ``(utterance,)`` on the same utterances, nan where there is no value.
        higher_is_better: the metric's direction.

    Returns:
        A comparison for every other system, in order; none where fewer than two have values.
    """
    having = [index for index, values in enumerate(systems) if not np.all(np.isnan(values))]
    if len(having) < 2:
        return []
    sign = 1.0 if higher_is_better else -1.0
    best = max(having, key=lambda index: sign * np.nanmean(systems[index]))
    others = [index for index in having if index != best]
    p_values = holm([paired_p_value(systems[best], systems[index]) for index in others])
    return [
        Comparison(best, index, float(np.nanmean(systems[best] - systems[index])), p_value)
        for index, p_value in zip(others, p_values)
    ]
