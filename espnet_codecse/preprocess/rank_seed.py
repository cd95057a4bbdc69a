"""Random numbers that differ between the processes of a distributed training."""

import random

import numpy as np
import torch
from espnet2.train.preprocessor import AbsPreprocessor


class RankSeed(AbsPreprocessor):
    """Run first, so that crops, mixtures and augmentation of the n-th utterance differ between processes.

    ESPnet seeds all processes alike. At each step, they would all draw the same SNR, noise and crop position, which
    reduces the variety of the data.

    Args:
        train: advance the random numbers; otherwise nothing changes.
        rank: rank of this process; the first process draws the same numbers as a training with one process.
        before: a preprocessor to run next, such as ESPnet's dynamic mixing.
    """

    def __init__(self, train: bool, rank: int, before: AbsPreprocessor | None = None):
        super().__init__(train)
        self.rank, self.before = rank, before

    def __call__(self, uid: str, data: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Advance the random numbers of this process, and return the next preprocessor's output for ``data``."""
        if self.train and self.rank:
            seed = (int(np.random.randint(2**31)) + self.rank) % 2**31
            np.random.seed(seed)
            random.seed(seed)
        return data if self.before is None else self.before(uid, data)


def with_rank_seed(train: bool, before: AbsPreprocessor | None = None) -> AbsPreprocessor | None:
    """Return ``before``, wrapped in a :class:`RankSeed` if several processes train."""
    if train and torch.distributed.is_available() and torch.distributed.is_initialized():
        return RankSeed(train, torch.distributed.get_rank(), before)
    return before
