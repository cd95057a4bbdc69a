"""Selection of the utterances on the page: best, middle and worst by a metric, and those given by id."""

from collections.abc import Sequence

import numpy as np

from espnet_codecse.errors import UserError
from espnet_codecse.metrics.registry import higher_is_better
from espnet_codecse.report.scores import Row


def rank(rows: Sequence[Row], metric: str) -> list[str]:
    """Return the utterances of a set from best to worst, by the mean over its experiments or, without any, all rows.

    Utterances without any value are left out; equal ones are ordered by name.
    """
    chosen = [row for row in rows if row.is_experiment] or list(rows)
    utterances = sorted(set().union(*(row.utterances for row in chosen)))
    table = np.array([row.values(metric, utterances) for row in chosen])
    known = ~np.all(np.isnan(table), axis=0)
    means = np.nanmean(table[:, known], axis=0)
    names = [name for name, has_value in zip(utterances, known) if has_value]
    order = np.argsort(-means if higher_is_better(metric) else means, kind="stable")
    return [names[index] for index in order]


def choose(ranked: Sequence[str], count: int) -> dict[str, str]:
    """Select ``count`` utterances, a third each from the top, the middle and the bottom: ``{utterance: position}``."""
    count = min(count, len(ranked))
    num_best, num_worst = (count + 2) // 3, (count + 1) // 3
    num_median = count - num_best - num_worst
    rest = ranked[num_best : len(ranked) - num_worst]
    first = (len(rest) - num_median) // 2
    parts = {
        "best": ranked[:num_best],
        "median": rest[first : first + num_median],
        "worst": ranked[len(ranked) - num_worst :],
    }
    return {utterance: where for where, names in parts.items() for utterance in names}


def choose_by_name(rows: Sequence[Row], names: Sequence[str]) -> dict[str, str]:
    """Return those of ``names`` that occur in the rows of a set."""
    known = set().union(*(row.utterances for row in rows))
    return {name: "asked for" for name in names if name in known}


def check_names(rows: Sequence[Row], names: Sequence[str]) -> None:
    """Check that every utterance occurs in a row.

    Raises:
        UserError: one does not.
    """
    known = set().union(*(row.utterances for row in rows))
    for name in names:
        if name not in known:
            raise UserError(f"--utterances {name}: no row has a score for it; use ids of the wav.scp")
