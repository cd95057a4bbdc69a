"""The levels of a training whose recordings are brought to a peak."""

import numpy as np
from espnet2.train.preprocessor import AbsPreprocessor

from espnet_codecse.level import LevelRule, scaled


class PeakLevel(AbsPreprocessor):
    """Bring whole mixtures and references to the levels at which inference and stored embeddings have them.

    It runs in validation, too, and after everything that makes a new mixture, such as speed perturbation.

    Args:
        train: unused.
        levels: the rule.
        before: another preprocessor to run first.
    """

    def __init__(self, train: bool, levels: LevelRule, before: AbsPreprocessor | None = None):
        super().__init__(train)
        self.levels, self.before = levels, before

    def __call__(self, uid: str, data: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return ``data`` with scaled waveforms ``(sample,)``; embeddings were scaled before they were stored."""
        if self.before is not None:
            data = self.before(uid, data)
        names = [name for name in data if name.startswith(("speech_ref", "noise_ref"))]
        waveforms = {name: data[name] for name in ("speech_mix", *names) if data[name].ndim == 1}
        changed = {}
        for name, speech in waveforms.items():
            if name == "speech_mix" or self.levels.reference_peak is None:
                # Beside a stored mixture references keep their level; see training_data in task/enhancement.py.
                loudest, peak = waveforms.get("speech_mix"), self.levels.peak
            else:
                loudest, peak = speech, self.levels.reference_peak
            if loudest is not None:
                changed[name] = scaled(speech, loudest, peak).astype(speech.dtype)
        return {**data, **changed}
