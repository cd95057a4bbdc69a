"""Scores of one row of RESULTS.md, read from a scoring folder."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, List, Optional, Sequence

import numpy as np

from espnet_codecse.errors import UserError
from espnet_codecse.fileio import read_scp
from espnet_codecse.report.groups import Groups, read_groups

# Columns in this order; metrics that are not named here follow in alphabetical order.
METRIC_ORDER = (
    "SI_SDR", "SI_SDRi", "SDR", "SDRi", "PESQ", "PESQ_NB", "STOI", "ESTOI",
    "DNSMOS_SIG", "DNSMOS_BAK", "DNSMOS_OVRL", "DNSMOS_P808",
)
NOISY = "noisy"
# Rows of other signals than speech against its clean reference: their scores do not compare with the others'.
OTHER_TARGETS = (" to resynthesised", ", noise", ", reconstruction")


@dataclass(frozen=True)
class Row:
    """One system on one set.

    Attributes:
        section: heading it stands under.
        label: first column.
        scores: ``{metric: {utterance: value}}``, the mean over speakers, nan where there is none.
        groups: of its utterances, for breakdowns.
        folder: the scoring folder; the scored audio's lists are beside it.
        data_dir: the set's data directory, None where it was not given.
    """

    section: str
    label: str
    scores: Dict[str, Dict[str, float]]
    groups: Groups = field(default_factory=dict)
    folder: Path = Path()
    data_dir: Optional[Path] = None

    @property
    def test_set(self) -> str:
        """What stands before the slash of the label; empty where there is one set only."""
        return self.label.rpartition("/")[0]

    @property
    def is_experiment(self) -> bool:
        """Whether it is a trained system's speech, and neither the mixture nor a codec's ceiling."""
        return self.label.rpartition("/")[2].split(",")[0] not in (NOISY, "clean") and self.is_speech

    @property
    def is_speech(self) -> bool:
        """Whether its scores are those of speech against the clean recording."""
        return not self.label.endswith(OTHER_TARGETS)

    @property
    def utterances(self) -> List[str]:
        """All utterances of the row, sorted."""
        return sorted({utterance for column in self.scores.values() for utterance in column})

    def values(self, metric: str, utterances: Sequence[str]) -> np.ndarray:
        """Scores ``(utterance,)`` in the given order, nan where there is none."""
        column = self.scores.get(metric, {})
        return np.array([column.get(utterance, np.nan) for utterance in utterances])


def read_row(specification: str) -> Row:
    """Read ``section|label|scoring folder``, and the data directory of the set as a fourth field where it is given.

    Raises:
        UserError: not of this form, no scores in the folder, or a value that is no number.
    """
    fields = [field.strip() for field in specification.split("|")]
    if len(fields) not in (3, 4) or not all(fields):
        raise UserError(f"--row '{specification}': must be 'section|label|scoring folder[|data directory]'")
    folder = Path(fields[2])
    speakers: Dict[str, List[Dict[str, float]]] = {}
    for path in sorted(folder.glob("*_spk*")) if folder.is_dir() else []:
        found = re.fullmatch(r"(\w+)_spk\d+", path.name)
        if found:
            speakers.setdefault(found.group(1), []).append(_read_column(path))
    if not speakers:
        raise UserError(f"{folder}: no scores (<METRIC>_spk1) in this folder; score it first (codecse score, stage 7)")
    scores = {
        metric: {key: float(np.mean([column[key] for column in columns if key in column])) for key in columns[0]}
        for metric, columns in speakers.items()
    }
    data_dir = Path(fields[3]) if len(fields) == 4 else None
    return Row(fields[0], fields[1], scores, read_groups(data_dir) if data_dir else {}, folder, data_dir)


def _read_column(path: Path) -> Dict[str, float]:
    try:
        return {key: float(value) for key, value in read_scp(path).items()}
    except ValueError as error:
        raise UserError(f"{path}: not a score file ({error}); score the set again") from None


def metrics_of(rows: Sequence[Row]) -> List[str]:
    """All metrics that occur, in the order of the columns."""
    found = {metric for row in rows for metric in row.scores}
    return [metric for metric in METRIC_ORDER if metric in found] + sorted(found - set(METRIC_ORDER))
