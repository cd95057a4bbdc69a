"""Means by SNR of the mixture, noise and speaker."""

from collections.abc import Sequence

from espnet_codecse.report.bootstrap import mean_interval
from espnet_codecse.report.groups import NOISE, SNR, SPEAKER, names_in_order
from espnet_codecse.report.scores import Row
from espnet_codecse.report.tables import table


def breakdown_lines(rows: Sequence[Row], metrics: Sequence[str]) -> list[str]:
    """Return one section per kind of group in the rows' data directories; none without metrics."""
    lines: list[str] = []
    for heading in (SNR, NOISE, SPEAKER) if metrics else ():
        grouped = [row for row in rows if heading in row.groups]
        if grouped:
            lines += [f"## {heading}", "", *_table(grouped, metrics, heading)]
    return lines


def _table(rows: Sequence[Row], metrics: Sequence[str], heading: str) -> list[str]:
    names = names_in_order(heading, [row.groups[heading] for row in rows])
    labels = [row.label for row in rows]
    lines = []
    for metric in metrics:
        for row in rows:
            # This table has the rows of all sections; the section distinguishes equal labels.
            label = row.label if labels.count(row.label) == 1 else f"{row.section}, {row.label}"
            group_of = row.groups[heading]
            cells = []
            for name in names:
                chosen = [utterance for utterance in row.utterances if group_of.get(utterance) == name]
                interval = mean_interval(row.values(metric, chosen))
                cells.append("n/a" if interval.count == 0 else f"{interval.mean:.2f}")
            lines.append([metric, label, *cells])
    return table(["metric", "set/row", *names], lines)
