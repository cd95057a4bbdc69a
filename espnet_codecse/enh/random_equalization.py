"""Other voices and microphones for training: the same random equaliser on mixture and references."""

from typing import Dict, Optional

import numpy as np
from espnet2.train.preprocessor import AbsPreprocessor

from espnet_codecse.equalization import randomly_equalised


class RandomEqualization(AbsPreprocessor):
    """Colour all waveforms of an utterance alike, so that the model learns to keep the colour that it meets.

    Args:
        train: otherwise nothing changes.
        deviation_db: standard deviation of the gains, see :func:`randomly_equalised`.
        sample_rate: Hz.
        before: another preprocessor to run first, such as ESPnet's dynamic mixing.
    """

    def __init__(
        self, train: bool, deviation_db: float, sample_rate: int, before: Optional[AbsPreprocessor] = None
    ):
        super().__init__(train)
        self.deviation_db, self.sample_rate, self.before = deviation_db, sample_rate, before

    def __call__(self, uid: str, data: Dict[str, np.ndarray]) -> Dict[str, np.ndarray]:
        """Return ``data`` with its waveforms ``(sample,)`` filtered; embeddings and other entries as they are."""
        if self.before is not None:
            data = self.before(uid, data)
        if not self.train:
            return data
        seed = np.random.randint(2**31)  # of one filter for all
        return {
            name: randomly_equalised(np.random.default_rng(seed), value, self.sample_rate, self.deviation_db)
            if name.startswith(("speech_", "noise_ref")) and value.ndim == 1
            else value
            for name, value in data.items()
        }
