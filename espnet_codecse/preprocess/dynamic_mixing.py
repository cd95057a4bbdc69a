"""ESPnet's dynamic mixing, without the references that are invalid afterwards."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from espnet2.train.preprocessor import AbsPreprocessor, EnhPreprocessor


class DynamicMixing(AbsPreprocessor):
    """Mix the reference of a recording with new noise each time it is drawn.

    ESPnet's noise reference is the noise before scaling to the SNR. It is therefore removed, and the model computes the
    noise as the mixture minus the speech. Unsupervised training gets only the mixture.

    Args:
        train: mix; otherwise the data stay unchanged.
        options: arguments of ESPnet's EnhPreprocessor.
        supervised: keep the reference of the speech.
        before: another preprocessor to run first.
    """

    def __init__(
        self, train: bool, options: Mapping[str, Any], supervised: bool, before: AbsPreprocessor | None = None
    ):
        super().__init__(train)
        self.mix = EnhPreprocessor(train=True, **options) if train else None
        self.supervised, self.before = supervised, before

    def __call__(self, uid: str, data: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return ``data`` with a new ``speech_mix (sample,)`` that contains the speech of ``speech_ref1``."""
        if self.before is not None:
            data = self.before(uid, data)
        if self.mix is None:
            return data
        mixed = self.mix(uid, dict(data))
        left_out = ("noise_ref1",) if self.supervised else ("noise_ref1", "speech_ref1")
        return {name: value for name, value in mixed.items() if name not in left_out}
