"""Preprocessors that apply one random filter to all waveforms of a training utterance."""

import argparse
from abc import abstractmethod
from collections.abc import Callable
from functools import partial

import numpy as np
from espnet2.train.preprocessor import AbsPreprocessor

from espnet_codecse.equalization import equalised, random_gains_db

Filter = Callable[[np.ndarray], np.ndarray]


def add_filter_options(group) -> None:
    """Add ``--equalize_db`` and ``--band_limit_prob`` to a parser or its group."""
    group.add_argument(
        "--equalize_db", type=float, default=0.0, help="Standard deviation of random gains of training segments, dB"
    )
    group.add_argument("--band_limit_prob", type=float, default=0.0, help="Share of low-passed training segments")


def with_filters(
    args: argparse.Namespace, train: bool, sample_rate: int, before: AbsPreprocessor | None
) -> AbsPreprocessor | None:
    """Return ``before``, followed by the filters that the options configure.

    Args:
        args: options of :func:`add_filter_options`.
        train: filter; otherwise the data stay unchanged.
        sample_rate: Hz.
        before: a preprocessor to run first.
    """
    if args.equalize_db > 0:
        before = RandomEqualization(train, args.equalize_db, sample_rate, before=before)
    if args.band_limit_prob > 0:
        before = BandLimit(train, args.band_limit_prob, sample_rate, before=before)
    return before


class RandomFilter(AbsPreprocessor):
    """Apply one random filter to mixture and references.

    Args:
        train: filter; otherwise the data stay unchanged.
        before: another preprocessor to run first, such as ESPnet's dynamic mixing.
    """

    def __init__(self, train: bool, before: AbsPreprocessor | None):
        super().__init__(train)
        self.before = before

    @abstractmethod
    def _draw(self) -> Filter | None:
        """Return a function of ``(sample,)``, or None if the utterance stays unchanged."""

    def __call__(self, uid: str, data: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return ``data`` with filtered waveforms ``(sample,)``; embeddings and other entries stay unchanged."""
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
    """Equalise all waveforms of an utterance alike, so that the model learns to preserve the spectral colour.

    Args:
        train: filter; otherwise the data stay unchanged.
        deviation_db: standard deviation of the gains; see :func:`random_gains_db`.
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

    The mixture and the references are filtered alike, so that the model learns to enhance the band that a telephone or
    a lossy codec passes, and not to generate the band above.

    Args:
        train: filter; otherwise the data stay unchanged.
        probability: fraction of utterances that are filtered.
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

        # Uniform on a logarithmic scale.
        cutoff = np.exp(np.random.uniform(*np.log(self.cutoff_range)))
        filters = butter(8, cutoff, fs=self.sample_rate, output="sos")
        return lambda waveform: sosfilt(filters, waveform).astype(waveform.dtype)
