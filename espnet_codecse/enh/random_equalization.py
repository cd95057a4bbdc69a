"""Other voices and microphones for training: the same random equaliser on mixture and references."""

from functools import partial

import numpy as np
from espnet2.train.preprocessor import AbsPreprocessor

from espnet_codecse.enh.random_filter import Filter, RandomFilter
from espnet_codecse.equalization import equalised, random_gains_db


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
