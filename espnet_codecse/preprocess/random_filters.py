"""What preprocessors share that filter the waveforms of a training utterance alike."""

from abc import abstractmethod
from collections.abc import Callable
from functools import partial

import numpy as np
from espnet2.train.preprocessor import AbsPreprocessor

from espnet_codecse.equalization import equalised, random_gains_db

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


class RandomEqualization(RandomFilter):
    """Colour all waveforms of an utterance alike, so that the model learns to keep the colour that it meets.

    Args:
        train: otherwise nothing changes.
        deviation_db: standard deviation of the gains, see :func:`random_gains_db`.
        sample_rate: Hz.
        before: another preprocessor to run first, such as ESPnet's dynamic mixing.
    """

    def __init__(self, train: bool, deviation_db: float, sample_rate: int, before: AbsPreprocessor | None = None):
        super().__init__(train, before)
        self.deviation_db, self.sample_rate = deviation_db, sample_rate

    def _draw(self) -> Filter:
        # ESPnet seeds the global generator of each worker.
        rng = np.random.default_rng(np.random.randint(2**31))
        gains_db = random_gains_db(rng, self.sample_rate, self.deviation_db)
        return partial(equalised, rate=self.sample_rate, gains_db=gains_db)


class BandLimit(RandomFilter):
    """Low-pass all waveforms of an utterance at one random frequency.

    Mixture and references alike: the model learns to enhance what a telephone or a lossy coder left, not to invent
    the band above.

    Args:
        train: otherwise nothing changes.
        probability: portion of utterances.
        sample_rate: Hz.
        cutoff_range: range of cut-off frequencies of the low-pass, Hz.
        before: another preprocessor to run first, such as ESPnet's dynamic mixing.
    """

    def __init__(
        self,
        train: bool,
        probability: float,
        sample_rate: int,
        cutoff_range: tuple[float, float] = (2500.0, 7000.0),
        before: AbsPreprocessor | None = None,
    ):
        super().__init__(train, before)
        self.probability, self.sample_rate, self.cutoff_range = probability, sample_rate, cutoff_range

    def _draw(self) -> Filter | None:
        if np.random.random() >= self.probability:
            return None
        from scipy.signal import butter, sosfilt

        # Evenly spread in octaves.
        cutoff = np.exp(np.random.uniform(*np.log(self.cutoff_range)))
        filters = butter(8, cutoff, fs=self.sample_rate, output="sos")
        return lambda waveform: sosfilt(filters, waveform).astype(waveform.dtype)
