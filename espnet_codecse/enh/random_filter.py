"""What preprocessors share that filter the waveforms of a training utterance alike."""

from abc import abstractmethod
from collections.abc import Callable

import numpy as np
from espnet2.train.preprocessor import AbsPreprocessor

Filter = Callable[[np.ndarray], np.ndarray]


class RandomFilter(AbsPreprocessor):
    """One random filter for mixture and references.

    Args:
        train: otherwise nothing changes.
        before: another preprocessor to run first, such as ESPnet's dynamic mixing.
    """

    def __init__(self, train: bool, before: AbsPreprocessor | None):
        super().__init__(train)
        self.before = before

    @abstractmethod
    def _draw(self) -> Filter | None:
        """Return a function of ``(sample,)``, or None where the utterance stays as it is."""

    def __call__(self, uid: str, data: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return ``data`` with its waveforms ``(sample,)`` filtered; embeddings and other entries as they are."""
        if self.before is not None:
            data = self.before(uid, data)
        function = self._draw() if self.train else None
        if function is None:
            return data
        return {
            name: function(value) if name.startswith(("speech_", "noise_ref")) and value.ndim == 1 else value
            for name, value in data.items()
        }
