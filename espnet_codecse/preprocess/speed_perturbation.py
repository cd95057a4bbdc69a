"""Speed perturbation of each speaker separately, followed by remixing."""

from collections.abc import Sequence

import numpy as np
from espnet2.train.preprocessor import AbsPreprocessor

from espnet_codecse.audio import resample


class SpeedPerturbation(AbsPreprocessor):
    """Resample each reference to a random speed, and sum the references to a new mixture (Codecformer, 2406.12434).

    Pitch and tempo change together. The rest of the mixture, such as noise, stays unchanged. All waveforms are cut to
    the length of the shortest. The new mixture has another peak than the recorded one; see
    :class:`espnet_codecse.preprocess.peak_level.PeakLevel`.

    Args:
        train: perturb; otherwise the data stay unchanged.
        speeds: speeds in percent, drawn with equal probability.
        before: another preprocessor to run first, such as ESPnet's dynamic mixing.
    """

    def __init__(self, train: bool, speeds: Sequence[int] = (95, 100, 105), before: AbsPreprocessor | None = None):
        super().__init__(train)
        self.speeds, self.before = tuple(speeds), before

    def __call__(self, uid: str, data: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return ``data`` with a new ``speech_mix`` and new ``speech_ref``, each ``(sample,)``; the rest is unchanged.

        Raises:
            ValueError: the data are embeddings, whose speed cannot be changed.
        """
        if self.before is not None:
            data = self.before(uid, data)
        if not self.train:
            return data
        references = {name: value for name, value in data.items() if name.startswith("speech_ref")}
        mixture = data["speech_mix"]
        if any(value.ndim != 1 for value in (mixture, *references.values())):
            raise ValueError(f"{uid}: speed perturbation takes waveforms, not embeddings")
        rest = mixture - np.sum(list(references.values()), axis=0)
        perturbed = {
            name: resample(value, int(np.random.choice(self.speeds)), 100) for name, value in references.items()
        }
        num_samples = min(len(value) for value in (rest, *perturbed.values()))
        perturbed = {name: value[:num_samples].astype(mixture.dtype) for name, value in perturbed.items()}
        new_mixture = rest[:num_samples] + np.sum(list(perturbed.values()), axis=0)
        return {**data, **perturbed, "speech_mix": new_mixture.astype(mixture.dtype)}
