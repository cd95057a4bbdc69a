"""Unpaired recordings: with every noisy one, one of clean speech and one of noise, drawn at random."""

import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from espnet2.train.preprocessor import AbsPreprocessor

from espnet_codecse.audio import audio_info, read_audio, resample
from espnet_codecse.errors import UserError
from espnet_codecse.fileio import read_scp

TRIALS = 5  # draws before a silent segment is taken as it is


class UnpairedPriors(AbsPreprocessor):
    """Adds ``clean_prior`` and ``noise_prior`` to an utterance: segments drawn apart from it and from each other.

    Lists may be of any length and their recordings too: a long one is cut at random, a shorter one repeated to fill the
    segment. Training draws from NumPy's random numbers, which ESPnet seeds by epoch and worker, so that an epoch gives
    the same however often it is run; validation by the utterance's name, so that all epochs give the same.

    Args:
        train: draw at random.
        lists: ``{name: scp}`` of recordings.
        num_samples: samples of a segment.
        sample_rate: Hz; recordings of another rate are resampled, channels after the first left out.
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
            # An array of text needs a fraction of a list's memory, and none more in every worker.
            self.files[name] = np.array(list(read_scp(scp).values()))
            if len(self.files[name]) == 0:
                raise UserError(f"{scp}: holds no recordings; the {name.replace('_', ' ')} needs some")

    def __call__(self, uid: str, data: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return ``data`` with ``(sample,)`` segments added."""
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
