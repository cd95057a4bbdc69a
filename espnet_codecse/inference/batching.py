"""Group recordings of similar length."""

from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

# Padding and context make the shortest recording cost about as much memory as this.
LEAST_SECONDS = 0.5
Item = TypeVar("Item", bound=Hashable)


def group_by_length(
    order: Sequence[Item], seconds: Mapping[Item, float], budget: float, longest: float
) -> list[list[Item]]:
    """Group items sorted by decreasing length so that the padded length of a group stays within ``budget``.

    Items longer than ``longest`` form their own group, because they are enhanced in segments.

    Args:
        order: items, the longest first.
        seconds: length of each item.
        budget: padded seconds per group.
        longest: longest item that may share a group, seconds.
    """
    groups: list[list[Item]] = []
    for item in order:
        first = seconds[groups[-1][0]] if groups else 0.0
        if groups and first <= longest and first * (len(groups[-1]) + 1) <= budget:
            groups[-1].append(item)
        else:
            groups.append([item])
    return groups
