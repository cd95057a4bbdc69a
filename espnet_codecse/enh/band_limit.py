"""Narrow-band recordings for training: the same low-pass on mixture and references."""

from typing import Dict, Optional, Tuple

import numpy as np
from espnet2.train.preprocessor import AbsPreprocessor


class BandLimit(AbsPreprocessor):
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
        cutoff_range: Tuple[float, float] = (2500.0, 7000.0),
        before: Optional[AbsPreprocessor] = None,
    ):
        super().__init__(train)
        self.probability, self.sample_rate, self.cutoff_range = probability, sample_rate, cutoff_range
        self.before = before

    def __call__(self, uid: str, data: Dict[str, np.ndarray]) -> Dict[str, np.ndarray]:
        """Return ``data`` with its waveforms ``(sample,)`` filtered; embeddings and other entries as they are."""
        if self.before is not None:
            data = self.before(uid, data)
        if not self.train or np.random.random() >= self.probability:
            return data
        from scipy.signal import butter, sosfilt

        # Evenly spread in octaves.
        cutoff = np.exp(np.random.uniform(*np.log(self.cutoff_range)))
        filters = butter(8, cutoff, fs=self.sample_rate, output="sos")
        return {
            name: sosfilt(filters, value).astype(value.dtype)
            if name.startswith(("speech_", "noise_ref")) and value.ndim == 1
            else value
            for name, value in data.items()
        }
