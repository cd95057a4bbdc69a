"""Training windows: the same stretch of time of waveforms, stored latents and stored features."""

import numpy as np
from espnet2.train.preprocessor import AbsPreprocessor

from espnet_codecse.level import LEAST_PEAK


class WindowCrop(AbsPreprocessor):
    """Cut a window of fixed length from all sequences of an utterance; shorter sequences are padded with zeros.

    If the noisy recording is read as a waveform, the peak of the whole recording is added as ``peak (1,)``, because the
    network normalises the level of recordings, not of windows.

    Args:
        train: cut at a random position; otherwise in the middle.
        num_samples: number of samples per window.
        step: windows start at multiples of this number of samples.
        hops: samples per frame of the stored sequences, by name.
        before: another preprocessor to run first.
    """

    def __init__(self, train: bool, num_samples: int, step: int, hops: dict[str, int], before=None):
        super().__init__(train)
        self.num_samples, self.step, self.hops, self.before = num_samples, step, hops, before

    def __call__(self, uid: str, data: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return ``data`` with cut ``(sample,)`` and ``(frame, channel)`` arrays."""
        if self.before is not None:
            data = self.before(uid, data)
        lengths = [len(value) * self.hops.get(name, 1) for name, value in data.items() if _is_sequence(name)]
        places = max(0, min(lengths) - self.num_samples) // self.step
        start = (np.random.randint(0, places + 1) if self.train else places // 2) * self.step
        cut = {}
        for name, value in data.items():
            if not _is_sequence(name):
                continue
            hop = self.hops.get(name, 1)
            count = max(1, round(self.num_samples / hop))
            piece = value[round(start / hop) :][:count]
            missing = [(0, count - len(piece))] + [(0, 0)] * (piece.ndim - 1)
            cut[name] = np.pad(piece, missing).astype(np.float32)
        if "speech_mix" in data:
            cut["peak"] = np.abs(data["speech_mix"]).max(keepdims=True).astype(np.float32)
        return {**data, **cut}


class LevelledCrop(WindowCrop):
    """Cut windows and scale them to the network's level, which ESPnet's own model does not do."""

    def __call__(self, uid: str, data: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return ``data`` with scaled windows of waveforms."""
        data = super().__call__(uid, data)
        gain = 1 / max(float(data.pop("peak")[0]), LEAST_PEAK)
        return {name: value * np.float32(gain) if _is_sequence(name) else value for name, value in data.items()}


def _is_sequence(name: str) -> bool:
    return name.startswith(("speech_", "latent_", "guidance"))
