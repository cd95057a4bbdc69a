"""ESPnet's dynamic mixing, and which of its references hold afterwards."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from espnet2.train.preprocessor import AbsPreprocessor, EnhPreprocessor


class DynamicMixing(AbsPreprocessor):
    """Mix each recording's reference with new noise whenever it is drawn.

    ESPnet's own noise reference is the noise before it was brought to the SNR: it is left out, and the noise is what is
    not speech. An unsupervised training gets the mixture alone.

    Args:
        train: otherwise nothing is mixed.
        options: arguments of ESPnet's EnhPreprocessor.
        supervised: whether the reference of the speech stays.
        before: another preprocessor to run first.
    """

    def __init__(
        self, train: bool, options: Mapping[str, Any], supervised: bool, before: AbsPreprocessor | None = None
    ):
        super().__init__(train)
        self.mix = EnhPreprocessor(train=True, **options) if train else None
        self.supervised, self.before = supervised, before

    def __call__(self, uid: str, data: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return ``data`` with a new ``speech_mix (sample,)`` of the speech in ``speech_ref1``."""
        if self.before is not None:
            data = self.before(uid, data)
        if self.mix is None:
            return data
        mixed = self.mix(uid, dict(data))
        left_out = ("noise_ref1",) if self.supervised else ("noise_ref1", "speech_ref1")
        return {name: value for name, value in mixed.items() if name not in left_out}
