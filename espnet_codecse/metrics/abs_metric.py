"""The contract of a metric family: one computation that fills one or several columns."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Dict, Optional, Tuple

import numpy as np


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
    sample_rate: Optional[int]
    needs_reference: bool
    range: Tuple[float, float]
    higher_is_better: bool
    package: str
    description: str
    needs_mixture: bool = False


class AbsMetricFamily(ABC):
    """Columns that come from one computation; all have the same rate and need of a reference and of the mixture."""

    columns: Tuple[Metric, ...] = ()

    @abstractmethod
    def load(self) -> None:
        """Import what is needed and build what is kept between files (models, sessions).

        Raises:
            ImportError: the package does not load.
        """

    @abstractmethod
    def compute(
        self,
        reference: Optional[np.ndarray],
        estimate: np.ndarray,
        sample_rate: int,
        mixture: Optional[np.ndarray] = None,
    ) -> Dict[str, float]:
        """Score one utterance.

        Args:
            reference: clean speech (num_samples,) float32, None where no reference is needed.
            estimate: speech to score (num_samples,) float32, of the same length.
            sample_rate: rate of all in Hz; the family's own rate where it states one.
            mixture: what was processed, of the same length; None where it is not needed.

        Returns:
            ``{column name: value}``; nan where the measure is not defined for this input.
        """
