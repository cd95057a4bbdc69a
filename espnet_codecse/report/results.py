"""RESULTS.md in ESPnet's shape: means with bootstrap intervals, differences to noisy, breakdown by SNR."""

from pathlib import Path
from typing import Dict, List, Optional, Sequence

import numpy as np

from espnet_codecse.errors import UserError
from espnet_codecse.fileio import atomic_path
from espnet_codecse.report.bootstrap import Interval, mean_interval
from espnet_codecse.report.environment import environment_lines
from espnet_codecse.report.scores import NOISY, Row, metrics_of

DECIMALS = {"STOI": 3, "ESTOI": 3}  # differences of interest are below 0.01
DEFAULT_SNR_METRICS = ("SI_SDR", "PESQ", "DNSMOS_OVRL")


def _number(metric: str, interval: Interval, signed: bool = False) -> str:
    """``mean [low, high]``, or ``n/a`` without values."""
    if interval.count == 0:
        return "n/a"
    form = f"{'+' if signed else ''}.{DECIMALS.get(metric, 2)}f"
    return f"{interval.mean:{form}} [{interval.low:{form}}, {interval.high:{form}}]"


def _noisy_row(row: Row, rows: Sequence[Row]) -> Optional[Row]:
    """The unprocessed mixture of the row's set: label ``<set>/noisy`` for ``<set>/x``, ``noisy`` for ``x``."""
    by_label = {candidate.label: candidate for candidate in rows}
    test_set, slash, _ = row.label.rpartition("/")
    return by_label.get(f"{test_set}{slash}{NOISY}") or by_label.get(NOISY)


def _table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> List[str]:
    rows = [header, ["---"] * len(header), *lines]
    return ["|" + "|".join(cell.replace("|", "\\|") for cell in row) + "|" for row in rows] + [""]


def _section_table(rows: Sequence[Row], metrics: Sequence[str]) -> List[str]:
    lines = []
    for row in rows:
        intervals = [mean_interval(row.values(metric, row.utterances)) for metric in metrics]
        lines.append([row.label, *map(_number, metrics, intervals)])
    return _table(["set/row", *metrics], lines)


def _counts(rows: Sequence[Row], metrics: Sequence[str]) -> List[str]:
    """State the number of utterances, and which scores are missing."""
    numbers = sorted({len(row.utterances) for row in rows})
    lines = [f"Utterances: {', '.join(map(str, numbers))}. Values: mean [95 % bootstrap interval over utterances]."]
    for row in rows:
        # A metric that the set cannot have, such as one that needs a reference, is an empty column, not a miss.
        computed = [metric for metric in metrics if metric in row.scores]
        missing = {metric: int(np.isnan(row.values(metric, row.utterances)).sum()) for metric in computed}
        named = ", ".join(f"{metric} {count}" for metric, count in missing.items() if count)
        if named:
            lines.append(f"Without a value (nan) in '{row.label}': {named} of {len(row.utterances)} utterances.")
    return [line for text in lines for line in (text, "")]


def _differences(rows: Sequence[Row], metrics: Sequence[str], all_rows: Sequence[Row]) -> List[str]:
    lines = []
    for row in rows:
        noisy = _noisy_row(row, all_rows)
        shared = sorted(set(row.utterances) & set(noisy.utterances)) if noisy else []
        if row is noisy or not shared:
            continue
        differences = [row.values(metric, shared) - noisy.values(metric, shared) for metric in metrics]
        cells = [_number(metric, mean_interval(values), True) for metric, values in zip(metrics, differences)]
        lines.append([f"{row.label} − {noisy.label}", *cells])
    if not lines:
        return []
    return ["Paired difference to the unprocessed mixture, by utterance:", "", *_table(["set/row", *metrics], lines)]


def _by_snr(rows: Sequence[Row], metrics: Sequence[str]) -> List[str]:
    rows = [row for row in rows if row.snr]
    levels = sorted({level for row in rows for level in row.snr.values()})
    labels = [row.label for row in rows]
    lines = []
    for metric in metrics:
        for row in rows:
            # All sections stand in one table here: where they use the same label, the section tells them apart.
            label = row.label if labels.count(row.label) == 1 else f"{row.section}, {row.label}"
            cells = []
            for level in levels:
                chosen = [utterance for utterance in row.utterances if row.snr.get(utterance) == level]
                interval = mean_interval(row.values(metric, chosen))
                cells.append("n/a" if interval.count == 0 else f"{interval.mean:.2f}")
            lines.append([metric, label, *cells])
    return _table(["metric", "set/row", *(f"{level:g} dB" for level in levels)], lines)


def render(
    rows: Sequence[Row],
    command: str,
    title: str = "RESULTS",
    notes: Optional[Dict[str, List[str]]] = None,
    snr_metrics: Sequence[str] = DEFAULT_SNR_METRICS,
    environment: Optional[Sequence[str]] = None,
    published: Sequence[str] = (),
) -> str:
    """Return the text of RESULTS.md.

    Args:
        rows: systems in the order of their sections and lines.
        command: the call that made it, for the first line.
        title: the heading.
        notes: ``{section: paragraphs}`` such as configuration, codec and loss.
        snr_metrics: metrics of the breakdown.
        environment: lines of the environment block; by default those of this process.
        published: lines of :func:`espnet_codecse.report.paper.paper_lines`.

    Raises:
        UserError: no rows, a label twice in a section, or a note for a section that is not there.
    """
    notes = notes or {}
    if not rows:
        raise UserError("--row: none given; at least one 'section|label|scoring folder' is needed")
    sections = list(dict.fromkeys(row.section for row in rows))
    unknown = sorted(set(notes) - set(sections))
    if unknown:
        raise UserError(f"--section_note '{unknown[0]}': no row has this section; known: {', '.join(sections)}")
    if len({(row.section, row.label) for row in rows}) < len(rows):
        raise UserError("--row: a label occurs twice in a section; give every row its own")
    metrics = metrics_of(rows)
    lines = [f"<!-- Generated by {command.replace('-->', '-- >')} -->", f"# {title}", "", "## Environments"]
    lines += [*(environment_lines() if environment is None else environment), ""]
    for section in sections:
        own = [row for row in rows if row.section == section]
        lines += [f"## {section}", ""]
        lines += [line for note in notes.get(section, []) for line in (note, "")]
        lines += _counts(own, metrics) + _section_table(own, metrics) + _differences(own, metrics, rows)
    breakdown = [metric for metric in snr_metrics if metric in metrics]
    if breakdown and any(row.snr for row in rows):
        lines += ["## By SNR of the mixture", "", *_by_snr(rows, breakdown)]
    lines += published
    return "\n".join(lines).rstrip() + "\n"


def write_results(path: Path, text: str) -> None:
    """Write RESULTS.md atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
