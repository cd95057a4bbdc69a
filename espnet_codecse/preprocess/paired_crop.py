"""Random training segments, cut such that frames and samples stay aligned."""

import numpy as np
from espnet2.train.preprocessor import AbsPreprocessor


class PairedCrop(AbsPreprocessor):
    """Cut all sequences of an utterance at the same random frame; waveforms are cut at the frame times the hop.

    ESPnet's chunk iterator requires sequences of equal length, so it cannot cut stored embeddings together with
    waveforms. It also drops utterances that are shorter than a chunk; here they are used whole.

    Args:
        train: crop at random; otherwise sequences stay whole.
        num_frames: number of frames per segment.
        hop: samples per frame.
        before: another preprocessor to run first, such as ESPnet's dynamic mixing.
    """

    def __init__(self, train: bool, num_frames: int, hop: int, before=None):
        super().__init__(train)
        self.num_frames, self.hop, self.before = num_frames, hop, before

    def __call__(self, uid: str, data: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return ``data`` with cut ``(sample,)`` and ``(frame, channel)`` arrays; other entries stay unchanged."""
        if self.before is not None:
            data = self.before(uid, data)
        if not self.train:
            return data
        sequences = {name: value for name, value in data.items() if name.startswith(("speech_", "noise_ref", "emb_"))}
        total = min(self._frames(value) for value in sequences.values())
        if total <= self.num_frames:
            return data
        start = np.random.randint(0, total - self.num_frames + 1)
        cut = {}
        for name, value in sequences.items():
            unit = 1 if self._is_embedding(value) else self.hop
            cut[name] = value[start * unit : (start + self.num_frames) * unit]
        return {**data, **cut}

    def _frames(self, value: np.ndarray) -> int:
        return len(value) if self._is_embedding(value) else len(value) // self.hop

    @staticmethod
    def _is_embedding(value: np.ndarray) -> bool:
        return value.ndim == 2
