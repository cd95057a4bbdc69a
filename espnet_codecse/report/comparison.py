"""Comparison of the best experiment with the others, for each metric."""

from collections.abc import Sequence
from typing import NamedTuple

from espnet_codecse.metrics.registry import higher_is_better
from espnet_codecse.report.scores import Row
from espnet_codecse.report.significance import LEVEL, compare_with_best
from espnet_codecse.report.tables import DECIMALS, table


class Best(NamedTuple):
    """The best experiment by one metric on one set.

    Attributes:
        metric: name of the metric.
        best: row of the best experiment.
        others: ``(row, mean difference, adjusted p-value)`` of the other experiments on this set.
    """

    metric: str
    best: Row
    others: list

    @property
    def is_clear(self) -> bool:
        """Whether every other experiment is significantly worse."""
        return all(p_value < LEVEL for _, _, p_value in self.others)


def compare_experiments(rows: Sequence[Row], metrics: Sequence[str]) -> list[Best]:
    """For each set and metric, compare the best experiment with the others on their common utterances."""
    found = []
    for test_set in dict.fromkeys(row.test_set for row in rows):
        own = [row for row in rows if row.test_set == test_set and row.is_experiment]
        shared = sorted(set.intersection(*(set(row.utterances) for row in own))) if own else []
        if not shared:
            continue
        for metric in metrics:
            values = [row.values(metric, shared) for row in own]
            comparisons = compare_with_best(values, higher_is_better(metric))
            if comparisons:
                others = [(own[item.other], item.difference, item.p_value) for item in comparisons]
                found.append(Best(metric, own[comparisons[0].best], others))
    return found


def comparison_lines(comparisons: Sequence[Best]) -> list[str]:
    """Return the section that compares the best experiments with the others."""
    if not comparisons:
        return []
    lines = []
    for item in comparisons:
        close = [
            f"{_name(row)} ({difference:+.{DECIMALS.get(item.metric, 2)}f}, p {p_value:.2g})"
            for row, difference, p_value in item.others
            if p_value >= LEVEL
        ]
        lines.append([item.metric, _name(item.best), str(len(item.others)), "; ".join(close) or "none"])
    return [
        "## The best against the others",
        "",
        "Wilcoxon signed-rank tests by utterance, two-sided, adjusted for the number of experiments (Holm). An "
        f"experiment stands in bold where it is better than every other one at p < {LEVEL}; the last column names "
        "those it is not.",
        "",
        *table(["metric", "best", "compared with", "not significantly better than"], lines),
    ]


def _name(row: Row) -> str:
    return f"{row.section}, {row.label}"
