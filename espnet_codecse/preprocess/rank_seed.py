"""Random draws that differ between the processes of a distributed training."""

import random

import numpy as np
import torch
from espnet2.train.preprocessor import AbsPreprocessor


class RankSeed(AbsPreprocessor):
    """Runs first, so that crops, mixtures and augmentation of the n-th utterance are not the same in all processes.

    ESPnet seeds them alike: every process would draw the same SNR, the same noise and the same place to cut for the
    utterances that it has at the same time, which leaves a part of the variety only.

    Args:
        train: otherwise nothing happens.
        rank: rank of this process; the draws of the first one are those of a training with one process.
        before: a preprocessor to run next, such as ESPnet's dynamic mixing.
    """

    def __init__(self, train: bool, rank: int, before: AbsPreprocessor | None = None):
        super().__init__(train)
        self.rank, self.before = rank, before

    def __call__(self, uid: str, data: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Move this process's random numbers on and return what the next preprocessor makes of ``data``."""
        if self.train and self.rank:
            seed = (int(np.random.randint(2**31)) + self.rank) % 2**31
            np.random.seed(seed)
            random.seed(seed)
        return data if self.before is None else self.before(uid, data)


def with_rank_seed(train: bool, before: AbsPreprocessor | None = None) -> AbsPreprocessor | None:
    """Return ``before`` behind a :class:`RankSeed` in the training of several processes, and as it is otherwise."""
    if train and torch.distributed.is_available() and torch.distributed.is_initialized():
        return RankSeed(train, torch.distributed.get_rank(), before)
    return before
