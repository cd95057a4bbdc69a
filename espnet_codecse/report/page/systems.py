"""Data of the rows for the page: names, kinds, ceilings, means, distributions."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from espnet_codecse.documents import read_yaml
from espnet_codecse.errors import UserError
from espnet_codecse.report.bootstrap import mean_interval
from espnet_codecse.report.experiments import CEILING, EXPERIMENT, NOISY
from espnet_codecse.report.scores import Row

QUANTILES = (5, 25, 50, 75, 95)  # percent
ALL = "All utterances"


def short_names(rows: Sequence[Row]) -> list[str]:
    """Return names without the set and without the common prefix of all experiments."""
    sections = {row.section for row in rows if row.output.kind == EXPERIMENT}
    skipped = 0
    if len(sections) > 1:
        parts = [section.split("_") for section in sorted(sections)]
        shared = 0
        while all(len(words) > shared + 1 and words[shared] == parts[0][shared] for words in parts):
            shared += 1
        skipped = len("".join(f"{word}_" for word in parts[0][:shared]))
    names = []
    for row in rows:
        section = row.section[skipped:] if row.output.kind == EXPERIMENT else row.section
        names.append(row.output.name if row.output.kind == NOISY else f"{section}, {row.output.name}")
    return names


def codec_of(row: Row) -> str:
    """Return the codec that an experiment was trained on, from its configuration; empty if there is none."""
    for path in sorted(row.output.experiment_dir.glob("[0-9]*_*/config.yaml"), reverse=True):
        try:
            conf = read_yaml(path).get("encoder_conf")
        except UserError:
            continue
        if isinstance(conf, dict) and conf.get("codec"):
            name = Path(str(conf["codec"])).name
            return name[: -len(".zip")] if name.endswith(".zip") else name
    return ""


def ceiling_of(row: Row, rows: Sequence[Row]) -> int | None:
    """Return the index of the row's ceiling: clean speech through the same layer of its codec, on the same set."""
    wanted = (CEILING, row.test_set, row.output.layer, row.output.target)
    found = [
        index
        for index, other in enumerate(rows)
        if (other.output.kind, other.test_set, other.output.layer, other.output.target) == wanted
    ]
    if row.output.kind != EXPERIMENT or not found:
        return None
    named = f"codec_{codec_of(row)}" if len(found) > 1 else ""
    return next((index for index in found if rows[index].section == named), found[0])


def noisy_of(row: Row, rows: Sequence[Row]) -> int | None:
    """Return the index of the mixture of the same set."""
    same_set = (index for index, other in enumerate(rows) if other.test_set == row.test_set and other.is_noisy_speech)
    return next(same_set, None)


def summary(row: Row, metrics: Sequence[str]) -> dict[str, list[float]]:
    """Return ``{metric: [mean, low, high, number of values, number without a value]}`` of the row's metrics."""
    table = {}
    for metric in metrics:
        if metric in row.scores:
            values = row.values(metric, row.utterances)
            interval = mean_interval(values)
            if interval.count:
                missing = len(values) - interval.count
                table[metric] = [interval.mean, interval.low, interval.high, interval.count, missing]
    return table


def distributions(row: Row, metrics: Sequence[str]) -> dict[str, dict[str, dict[str, list[float]]]]:
    """Return ``{heading: {group: {metric: [number, 5, 25, 50, 75, 95 %]}}}``; one group has all utterances."""
    headings: dict[str, dict[str, str]] = {ALL: dict.fromkeys(row.utterances, ALL), **row.groups}
    table: dict[str, dict[str, dict[str, list[float]]]] = {}
    for heading, group_of in headings.items():
        members: dict[str, list[str]] = {}
        for utterance in row.utterances:
            if utterance in group_of:
                members.setdefault(group_of[utterance], []).append(utterance)
        table[heading] = {
            group: dict(filter(None, (_box(row, metric, utterances) for metric in metrics)))
            for group, utterances in members.items()
        }
    return table


def _box(row: Row, metric: str, utterances: Sequence[str]) -> tuple[str, list[float]] | None:
    values = row.values(metric, utterances)
    values = values[~np.isnan(values)]
    if not len(values):
        return None
    return metric, [len(values), *np.percentile(values, QUANTILES).tolist()]


def describe(rows: Sequence[Row], metrics: Sequence[str], points: dict[str, list[str]]) -> list[dict[str, Any]]:
    """Return the page's data of every row; ``points`` lists, by set, the utterances whose scores are included."""
    names = short_names(rows)
    return [
        {
            "section": row.section,
            "label": row.label,
            "name": names[index],
            "set": row.test_set,
            "kind": row.output.kind,
            "ceiling": ceiling_of(row, rows),
            "noisy": noisy_of(row, rows),
            "utterances": len(row.utterances),
            "summary": summary(row, metrics),
            "boxes": distributions(row, metrics),
            "values": {
                metric: row.values(metric, points[row.test_set]).tolist() for metric in metrics if metric in row.scores
            },
        }
        for index, row in enumerate(rows)
    ]
