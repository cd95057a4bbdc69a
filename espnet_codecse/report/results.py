"""RESULTS.md in ESPnet's format: means with bootstrap intervals, differences to noisy, tests, breakdowns."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from espnet_codecse.errors import UserError
from espnet_codecse.fileio import atomic_path
from espnet_codecse.report.bootstrap import mean_interval
from espnet_codecse.report.breakdown import breakdown_lines
from espnet_codecse.report.comparison import compare_experiments, comparison_lines
from espnet_codecse.report.environment import environment_lines
from espnet_codecse.report.scores import Row, metrics_of
from espnet_codecse.report.study import study_lines
from espnet_codecse.report.tables import number, table

DEFAULT_BREAKDOWN_METRICS = ("SI_SDR", "PESQ", "DNSMOS_OVRL")


def _noisy_row(row: Row, rows: Sequence[Row]) -> Row | None:
    """Return the row of the unprocessed mixture of the same set, or one whose label has no set."""
    by_set = {candidate.test_set: candidate for candidate in rows if candidate.is_noisy_speech}
    return by_set.get(row.test_set) or by_set.get("")


def _section_table(rows: Sequence[Row], metrics: Sequence[str], best: set[tuple[str, str, str]]) -> list[str]:
    lines = []
    for row in rows:
        cells = [number(metric, mean_interval(row.values(metric, row.utterances))) for metric in metrics]
        marked = [(row.section, row.label, metric) in best for metric in metrics]
        lines.append([row.label, *(f"**{cell}**" if bold else cell for cell, bold in zip(cells, marked))])
    return table(["set/row", *metrics], lines)


def _counts(rows: Sequence[Row], metrics: Sequence[str]) -> list[str]:
    """Return lines with the number of utterances and of missing scores."""
    numbers = sorted({len(row.utterances) for row in rows})
    lines = [f"Utterances: {', '.join(map(str, numbers))}. Values: mean [95 % bootstrap interval over utterances]."]
    for row in rows:
        # A metric that the set cannot have, such as one that needs a reference, is not counted as missing.
        computed = [metric for metric in metrics if metric in row.scores]
        missing = {metric: int(np.isnan(row.values(metric, row.utterances)).sum()) for metric in computed}
        named = ", ".join(f"{metric} {count}" for metric, count in missing.items() if count)
        if named:
            lines.append(f"Without a value (nan) in '{row.label}': {named} of {len(row.utterances)} utterances.")
    return [line for text in lines for line in (text, "")]


def _differences(rows: Sequence[Row], metrics: Sequence[str], all_rows: Sequence[Row]) -> list[str]:
    lines = []
    for row in rows:
        noisy = _noisy_row(row, all_rows)
        shared = sorted(set(row.utterances) & set(noisy.utterances)) if noisy else []
        if noisy is None or row is noisy or not shared or not row.is_speech:
            continue
        differences = [row.values(metric, shared) - noisy.values(metric, shared) for metric in metrics]
        cells = [number(metric, mean_interval(values), True) for metric, values in zip(metrics, differences)]
        lines.append([f"{row.label} − {noisy.label}", *cells])
    if not lines:
        return []
    return ["Paired difference to the unprocessed mixture, by utterance:", "", *table(["set/row", *metrics], lines)]


def render(
    rows: Sequence[Row],
    command: str,
    title: str = "RESULTS",
    notes: dict[str, list[str]] | None = None,
    breakdown_metrics: Sequence[str] = DEFAULT_BREAKDOWN_METRICS,
    environment: Sequence[str] | None = None,
    published: Sequence[str] = (),
    baseline: str | None = None,
) -> str:
    """Return the text of RESULTS.md.

    Args:
        rows: systems in the order of their sections and lines.
        command: command that produced the file, for the first line.
        title: heading.
        notes: ``{section: paragraphs}``, such as configuration, codec and loss.
        breakdown_metrics: metrics of the breakdowns by SNR, noise and speaker.
        environment: lines of the environment block; default: those of this process.
        published: lines of :func:`espnet_codecse.report.paper.paper_lines`.
        baseline: baseline of a study with several seeds, see :func:`espnet_codecse.report.study.study_lines`.

    Raises:
        UserError: there are no rows, a label occurs twice in a section, or a note names an unknown section.
    """
    notes = notes or {}
    if not rows:
        raise UserError("--row: missing; give at least one 'section|label|scoring folder'")
    sections = list(dict.fromkeys(row.section for row in rows))
    unknown = sorted(set(notes) - set(sections))
    if unknown:
        raise UserError(f"--section_note '{unknown[0]}': no row has this section; known: {', '.join(sections)}")
    if len({(row.section, row.label) for row in rows}) < len(rows):
        raise UserError("--row: a label occurs twice in a section; give every row its own label")
    metrics = metrics_of([row for row in rows if row.is_speech])
    lines = [f"<!-- Generated by {command.replace('-->', '-- >')} -->", f"# {title}", "", "## Environments"]
    lines += [*(environment_lines() if environment is None else environment), ""]
    comparisons = compare_experiments(rows, metrics)
    best = {(item.best.section, item.best.label, item.metric) for item in comparisons if item.is_clear}
    for section in sections:
        own = [row for row in rows if row.section == section]
        lines += [f"## {section}", ""]
        lines += [line for note in notes.get(section, []) for line in (note, "")]
        speech, others = ([row for row in own if row.is_speech is wanted] for wanted in (True, False))
        if speech:
            lines += _counts(speech, metrics) + _section_table(speech, metrics, best)
            lines += _differences(speech, metrics, rows)
        if others:
            lines += ["Other signals, and speech against other references:", ""]
            lines += _section_table(others, metrics_of(others), best)
    lines += comparison_lines(comparisons)
    if baseline:
        lines += study_lines(rows, baseline, metrics)
    broken_down = [metric for metric in breakdown_metrics if metric in metrics]
    lines += breakdown_lines([row for row in rows if row.is_speech], broken_down)
    lines += published
    return "\n".join(lines).rstrip() + "\n"


def write_results(path: Path, text: str) -> None:
    """Write RESULTS.md atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
