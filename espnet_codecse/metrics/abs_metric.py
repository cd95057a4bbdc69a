"""The contract of a metric family: one computation that fills one or several columns."""

import importlib.util
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Signals:
    """Signals from which the score of one speaker is computed, all ``(sample,)`` float32 of equal length.

    Attributes:
        estimate: speech to score.
        sample_rate: sample rate, Hz; the family's own rate if it has one.
        reference: clean speech; set if the columns declare ``needs_reference``.
        mixture: the unprocessed mixture; set if the columns declare ``needs_mixture``.
        others: clean speech of the mixture's other speakers.
    """

    estimate: np.ndarray
    sample_rate: int
    # `| Any`: families that declare the need do not have to check for None.
    reference: np.ndarray | Any = None
    mixture: np.ndarray | Any = None
    others: tuple[np.ndarray, ...] = ()


@dataclass(frozen=True)
class Metric:
    """Description of one column.

    Attributes:
        name: name of the column and of the score file.
        sample_rate: rate at which the metric is computed, Hz; None: the rate of the files.
        needs_reference: whether the metric needs clean speech.
        range: lowest and highest possible value.
        higher_is_better: direction of the metric.
        package: required packages, separated by spaces; names are the same for pip and import.
        description: one line with unit and source.
        needs_mixture: whether the metric also needs the unprocessed mixture.
    """

    name: str
    sample_rate: int | None
    needs_reference: bool
    range: tuple[float, float]
    higher_is_better: bool
    package: str
    description: str
    needs_mixture: bool = False


class AbsMetricFamily(ABC):
    """Columns that come from one computation; they share sample rate and the need of reference and mixture."""

    columns: tuple[Metric, ...] = ()

    @abstractmethod
    def load(self) -> None:
        """Import packages, and build objects that are kept between files, such as models and sessions.

        Raises:
            ImportError: a package cannot be imported.
        """

    @classmethod
    def missing(cls) -> str:
        """Return how to make the metric available, in a few words; empty if it is available."""
        packages = [name for name in cls.columns[0].package.split() if importlib.util.find_spec(name) is None]
        return f"pip install {' '.join(packages)}" if packages else ""

    @abstractmethod
    def compute(self, signals: Signals) -> dict[str, float]:
        """Score one utterance.

        Returns:
            ``{column name: value}``; nan if the metric is undefined for this input.
        """
