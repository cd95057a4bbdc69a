"""Paired tests between systems on the same utterances."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

LEVEL = 0.05


class Comparison(NamedTuple):
    """Comparison of the best system with another one.

    Attributes:
        best, other: indices of the two systems.
        difference: best minus other, mean over the shared utterances.
        p_value: two-sided, adjusted for the number of comparisons.
    """

    best: int
    other: int
    difference: float
    p_value: float


def paired_p_value(first: np.ndarray, second: np.ndarray) -> float:
    """Return the p-value of a two-sided Wilcoxon signed-rank test (1945) of paired values ``(utterance,)``.

    A rank test is used because scores have bounds and outliers, and their differences are not normally distributed. If
    all pairs are equal, the p-value is 1.
    """
    from scipy.stats import wilcoxon

    differences = first - second
    differences = differences[~np.isnan(differences)]
    if not np.any(differences):
        return 1.0
    return float(wilcoxon(differences).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted for their number (Holm, 1979), in the given order."""
    adjusted, running = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda index: p_values[index])):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = running
    return adjusted


def compare_with_best(systems: Sequence[np.ndarray], higher_is_better: bool) -> list[Comparison]:
    """Compare the system with the best mean with every other system.

    Args:
        systems: each ``(utterance,)`` on the same utterances; nan if there is no value.
        higher_is_better: direction of the metric.

    Returns:
        One comparison per other system, in order; none if fewer than two systems have values.
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
