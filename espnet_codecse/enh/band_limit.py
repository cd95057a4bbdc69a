"""Narrow-band recordings for training: the same low-pass on mixture and references."""

import numpy as np
from espnet2.train.preprocessor import AbsPreprocessor

from espnet_codecse.enh.random_filter import Filter, RandomFilter


class BandLimit(RandomFilter):
    """Low-pass all waveforms of an utterance at one random frequency.

    Mixture and references alike: the model learns to enhance what a telephone or a lossy coder left, not to invent
    the band above.

    Args:
        train: otherwise nothing changes.
        probability: portion of utterances.
        sample_rate: Hz.
        cutoff_range: of the low-pass, Hz.
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
