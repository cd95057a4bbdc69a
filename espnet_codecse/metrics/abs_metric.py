"""The contract of a metric family: one computation that fills one or several columns."""

import importlib.util
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Signals:
    """What one score of one speaker is computed from, all ``(sample,)`` float32 of one length.

    Attributes:
        estimate: speech to score.
        sample_rate: Hz; the family's own rate where it states one.
        reference: clean speech; given where the columns declare ``needs_reference``.
        mixture: what was processed; given where they declare ``needs_mixture``.
        others: clean speech of the mixture's other speakers.
    """

    estimate: np.ndarray
    sample_rate: int
    # `| Any`: a family that declares its need does not have to ask for None.
    reference: np.ndarray | Any = None
    mixture: np.ndarray | Any = None
    others: tuple[np.ndarray, ...] = ()


@dataclass(frozen=True)
class Metric:
    """What one column means.

    Attributes:
        name: the column and the score file's name.
        sample_rate: rate in Hz at which it is computed; None computes at the rate of the files.
        needs_reference: whether it compares with clean speech.
        range: lowest and highest value it can take.
        higher_is_better: the direction.
        package: what must be installed, names separated by spaces, the same for pip and import.
        description: one line with unit and source.
        needs_mixture: whether it compares with the unprocessed mixture too.
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
    """Columns that come from one computation; all have the same rate and need of a reference and of the mixture."""

    columns: tuple[Metric, ...] = ()

    @abstractmethod
    def load(self) -> None:
        """Import what is needed and build what is kept between files (models, sessions).

        Raises:
            ImportError: the package does not load.
        """

    @classmethod
    def missing(cls) -> str:
        """Return what has to be done before it can be computed here, in a few words; empty where nothing has."""
        packages = [name for name in cls.columns[0].package.split() if importlib.util.find_spec(name) is None]
        return f"pip install {' '.join(packages)}" if packages else ""

    @abstractmethod
    def compute(self, signals: Signals) -> dict[str, float]:
        """Score one utterance.

        Returns:
            ``{column name: value}``; nan where the measure is not defined for this input.
        """
