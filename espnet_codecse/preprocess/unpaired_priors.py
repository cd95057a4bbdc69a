"""Unpaired recordings: each noisy recording gets random segments of clean speech and of noise."""

import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from espnet2.train.preprocessor import AbsPreprocessor

from espnet_codecse.audio import audio_info, read_audio, resample
from espnet_codecse.errors import UserError
from espnet_codecse.fileio import read_scp

TRIALS = 5  # draws before a silent segment is accepted


class UnpairedPriors(AbsPreprocessor):
    """Add ``clean_prior`` and ``noise_prior`` to an utterance: segments that are drawn independently.

    Lists and recordings may have any length. A long recording is cut at a random position, and a short one is repeated
    to fill the segment. Training uses NumPy's random numbers, which ESPnet seeds by epoch and worker, so that an epoch
    is reproducible. Validation uses the utterance's name as the seed, so that all epochs draw the same segments.

    Args:
        train: draw at random; otherwise by the utterance's name.
        lists: ``{name: scp}`` of recordings.
        num_samples: number of samples per segment.
        sample_rate: Hz; recordings at other rates are resampled, and only the first channel is used.
        before: another preprocessor to run first.

    Raises:
        UserError: a list is missing or empty.
    """

    def __init__(
        self,
        train: bool,
        lists: Mapping[str, Path],
        num_samples: int,
        sample_rate: int,
        before: AbsPreprocessor | None = None,
    ):
        super().__init__(train)
        self.num_samples, self.sample_rate, self.before = num_samples, sample_rate, before
        self.files = {}
        for name, scp in lists.items():
            # An array of strings needs a fraction of a list's memory, and the workers share it.
            self.files[name] = np.array(list(read_scp(scp).values()))
            if len(self.files[name]) == 0:
                raise UserError(f"{scp}: holds no recordings; the {name.replace('_', ' ')} needs some")

    def __call__(self, uid: str, data: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return ``data`` with the added segments ``(sample,)``."""
        if self.before is not None:
            data = self.before(uid, data)
        priors = {}
        for name, files in self.files.items():
            random = np.random if self.train else np.random.RandomState(zlib.crc32(f"{uid} {name}".encode()))
            for _ in range(TRIALS):
                priors[name] = self._segment(str(files[random.randint(len(files))]), random)
                if priors[name].any():
                    break
        return {**data, **priors}

    def _segment(self, file: str, random) -> np.ndarray:
        total, rate, _ = audio_info(file)
        count = -(-self.num_samples * rate // self.sample_rate)
        start = random.randint(total - count + 1) if total > count else 0
        samples = read_audio(file, start, min(count, total))[0][:, 0]
        if len(samples) == 0:
            raise UserError(f"{file}: holds no samples; remove it from its list")
        return np.resize(resample(samples, rate, self.sample_rate), self.num_samples).astype(np.float32)
