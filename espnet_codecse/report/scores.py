"""Scores of one row of RESULTS.md, read from a scoring folder."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from espnet_codecse.errors import UserError
from espnet_codecse.fileio import read_scp
from espnet_codecse.report.experiments import CLEAN, EXPERIMENT, NOISY, ScoredOutput, parse_label
from espnet_codecse.report.groups import Groups, read_groups

# Order of the columns; other metrics follow in alphabetical order.
METRIC_ORDER = (
    "SI_SDR",
    "SI_SDRi",
    "SDR",
    "SDRi",
    "PESQ",
    "PESQ_NB",
    "STOI",
    "ESTOI",
    "DNSMOS_SIG",
    "DNSMOS_BAK",
    "DNSMOS_OVRL",
    "DNSMOS_P808",
    "DNSMOS_PEAK_SIG",
    "DNSMOS_PEAK_BAK",
    "DNSMOS_PEAK_OVRL",
    "DNSMOS_PEAK_P808",
    "DISTILLMOS",
)


@dataclass(frozen=True)
class Row:
    """One line of a table: an output and its scores.

    Attributes:
        section: heading of the table.
        label: first column.
        scores: ``{metric: {utterance: value}}``, the mean over speakers; nan if undefined.
        groups: groups of utterances (SNR, noise, speaker) used for breakdowns.
        output: description of the scored output; default: parsed from the label.
    """

    section: str
    label: str
    scores: dict[str, dict[str, float]]
    groups: Groups = field(default_factory=dict)
    output: ScoredOutput = None  # type: ignore[assignment]  # set below

    def __post_init__(self):
        if self.output is None:
            object.__setattr__(self, "output", ScoredOutput(experiment=self.section, **parse_label(self.label)))

    @property
    def test_set(self) -> str:
        """Name of the set; empty if the label has none."""
        return self.output.test_set

    @property
    def is_experiment(self) -> bool:
        """Whether the row is speech of a trained system, not of the mixture or of a codec alone."""
        return self.output.kind == EXPERIMENT and self.is_speech

    @property
    def is_noisy_speech(self) -> bool:
        """Whether the row is that of the mixture, against the clean recording."""
        return self.output.kind == NOISY and self.is_speech

    @property
    def is_speech(self) -> bool:
        """Whether speech was scored against the clean recording."""
        return self.output.target == CLEAN

    @property
    def utterances(self) -> list[str]:
        """All utterances of the row, sorted."""
        return sorted({utterance for column in self.scores.values() for utterance in column})

    def values(self, metric: str, utterances: Sequence[str]) -> np.ndarray:
        """Return scores ``(utterance,)`` in the given order; nan if missing."""
        column = self.scores.get(metric, {})
        return np.array([column.get(utterance, np.nan) for utterance in utterances])


def read_row(specification: str) -> Row:
    """Read ``section|label|scoring folder``, with the data directory of the set as an optional fourth field.

    Raises:
        UserError: the text has another form, the folder has no scores, or a value is not a number.
    """
    fields = [field.strip() for field in specification.split("|")]
    if len(fields) not in (3, 4) or not all(fields):
        raise UserError(f"--row '{specification}': must be 'section|label|scoring folder[|data directory]'")
    section, label, folder = fields[0], fields[1], Path(fields[2])
    data_dir = Path(fields[3]) if len(fields) == 4 else None
    output = ScoredOutput(experiment=section, folder=folder, data_dir=data_dir, **parse_label(label))
    return _row(section, label, output)


def read_rows(outputs: Sequence[ScoredOutput]) -> list[Row]:
    """Read the scores of outputs; with several sets, the labels name the set.

    Raises:
        UserError: a folder has no scores, or a value is not a number.
    """
    several = len({output.test_set for output in outputs}) > 1
    return [
        _row(output.experiment, f"{output.test_set}/{output.name}" if several else output.name, output)
        for output in outputs
    ]


def _row(section: str, label: str, output: ScoredOutput) -> Row:
    groups = read_groups(output.data_dir) if output.data_dir and output.target == CLEAN else {}
    return Row(section, label, read_scores(output.folder), groups, output)


def read_scores(folder: Path) -> dict[str, dict[str, float]]:
    """Return ``{metric: {utterance: mean over speakers}}`` of a scoring folder.

    Raises:
        UserError: the folder has no scores, or a value is not a number.
    """
    speakers: dict[str, list[dict[str, float]]] = {}
    for path in sorted(folder.glob("*_spk*")) if folder.is_dir() else []:
        found = re.fullmatch(r"(\w+)_spk\d+", path.name)
        if found:
            speakers.setdefault(found.group(1), []).append(_read_column(path))
    if not speakers:
        raise UserError(f"{folder}: no scores (<METRIC>_spk1) in this folder; run codecse score or stage 7 first")
    return {
        metric: {key: float(np.mean([column[key] for column in columns if key in column])) for key in columns[0]}
        for metric, columns in speakers.items()
    }


def _read_column(path: Path) -> dict[str, float]:
    try:
        return {key: float(value) for key, value in read_scp(path).items()}
    except ValueError as error:
        raise UserError(f"{path}: not a score file ({error}); score the set again") from None


def metrics_of(rows: Sequence[Row]) -> list[str]:
    """Return all metrics of the rows, in the order of the columns."""
    found = {metric for row in rows for metric in row.scores}
    return [metric for metric in METRIC_ORDER if metric in found] + sorted(found - set(METRIC_ORDER))
