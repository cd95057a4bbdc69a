"""Comparison of a system's variants with its baseline, each trained with several seeds."""

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from espnet_codecse.errors import UserError
from espnet_codecse.metrics.registry import higher_is_better
from espnet_codecse.report.bootstrap import mean_interval
from espnet_codecse.report.groups import SNR, names_in_order
from espnet_codecse.report.scores import Row
from espnet_codecse.report.tables import DECIMALS, table

LEAST_SEEDS = 3


class Difference(NamedTuple):
    """Difference of a variant to the baseline.

    Attributes:
        mean: mean over seeds and utterances.
        margin: half of the 95 % interval, which covers both sources of chance: the choice of test utterances and of
            seeds.
    """

    mean: float
    margin: float

    @property
    def is_noise(self) -> bool:
        """Whether the interval contains zero."""
        return not abs(self.mean) > self.margin


def seed_of(section: str) -> tuple[str, str]:
    """Return ``(variant, seed)`` of an experiment's name, such as ``x_seed3``; the seed is empty if there is none."""
    found = re.fullmatch(r"(.+)_seed(\d+)", section)
    return (found[1], found[2]) if found else (section, "")


def difference(variant: np.ndarray, baseline: np.ndarray) -> Difference:
    """Return the difference of two systems, each of which was trained several times.

    The margin combines two independent errors: a bootstrap over utterances of the means over seeds, and Student's t
    over seeds of the means over utterances. With three seeds the latter is necessarily wide (t = 4.30).

    Args:
        variant, baseline: ``(seed, utterance)``, on the same utterances.
    """
    from scipy.stats import t

    by_utterance = np.nanmean(variant, axis=0) - np.nanmean(baseline, axis=0)
    interval = mean_interval(by_utterance)
    margins = [(interval.high - interval.low) / 2]
    means = [np.nanmean(values, axis=1) for values in (variant, baseline)]
    freedom = sum(len(values) - 1 for values in means)
    # Equal seeds of the two systems share nothing but their number, so the variances add.
    error = np.sqrt(sum(float(np.var(values, ddof=1)) / len(values) for values in means))
    margins.append(float(t.ppf(0.975, freedom) * error))
    return Difference(interval.mean, math.hypot(*margins))


def study_lines(rows: Sequence[Row], baseline: str, metrics: Sequence[str]) -> list[str]:
    """Return the section with the difference of each variant to the baseline, overall and by SNR of the mixture.

    Args:
        rows: rows of experiments named ``<variant>_seed<n>``.
        baseline: the variant with which the others are compared.
        metrics: names of the metrics.

    Raises:
        UserError: the baseline is missing, or a variant has too few seeds.
    """
    variants: dict[str, list[Row]] = {}
    for row in rows:
        variant, seed = seed_of(row.section)
        if seed and row.is_experiment:
            variants.setdefault(variant, []).append(row)
    if baseline not in variants:
        raise UserError(
            f"--baseline {baseline}: no rows of {baseline}_seed1 ...; known: {', '.join(variants) or 'none'}"
        )
    for variant, own in variants.items():
        if len(own) < LEAST_SEEDS:
            raise UserError(f"{variant}: {len(own)} seed(s) are too few; train it with at least {LEAST_SEEDS}")
    groups = variants[baseline][0].groups.get(SNR, {})
    levels = names_in_order(SNR, [groups])
    lines = []
    for metric in metrics:
        for variant, own in variants.items():
            if variant == baseline:
                continue
            cells = [
                _compare(own, variants[baseline], metric, [u for u in _shared(own, variants[baseline]) if keep(u)])
                for keep in (lambda u: True, *(lambda u, level=level: groups.get(u) == level for level in levels))
            ]
            lines.append([metric, variant, *(_cell(metric, cell) for cell in cells), _verdict(metric, cells[0])])
    seeds = sorted({len(own) for own in variants.values()})
    text = (
        f"Each variant less {baseline}, {', '.join(map(str, seeds))} seeds each: mean ± half of the 95 % interval, "
        "over utterances (bootstrap) and seeds (Student's t) together. What lies within it is noise."
    )
    return [f"## Against {baseline}", "", text, "", *table(["metric", "variant", "all", *levels, "in all"], lines)]


def _shared(first: Sequence[Row], second: Sequence[Row]) -> list[str]:
    return sorted(set.intersection(*(set(row.utterances) for row in (*first, *second))))


def _compare(own: Sequence[Row], others: Sequence[Row], metric: str, utterances: list[str]) -> Difference:
    if not utterances:
        return Difference(np.nan, np.nan)
    values = [np.stack([row.values(metric, utterances) for row in system]) for system in (own, others)]
    return difference(*values)


def _cell(metric: str, item: Difference) -> str:
    decimals = DECIMALS.get(metric, 2)
    return "n/a" if np.isnan(item.mean) else f"{item.mean:+.{decimals}f} ± {item.margin:.{decimals}f}"


def _verdict(metric: str, item: Difference) -> str:
    if item.is_noise:
        return "within noise"
    return "better" if (item.mean > 0) == higher_is_better(metric) else "worse"
