"""Learning-rate schedules that ESPnet does not have."""

from typing import Any

import torch


class DelayedPlateau(torch.optim.lr_scheduler.ReduceLROnPlateau):
    """Reduce the learning rate on a plateau, but never in the first epochs (SpeechBrain's ``dont_halve_until_epoch``).

    Up to and including ``start_epoch``, the learning rate stays as it is, epochs without an improvement are not
    counted, and the value of the latest epoch is what later ones have to improve on.

    Args:
        optimizer: the optimiser.
        start_epoch: last epoch, counted from 1, whose value cannot contribute to a reduction.
        options: arguments of PyTorch's ``ReduceLROnPlateau``.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, start_epoch: int = 5, **options: Any):
        self.start_epoch = start_epoch
        super().__init__(optimizer, **options)

    def step(self, metrics: Any, epoch: int | None = None) -> None:
        """Take the value of an epoch; ``epoch`` counts from 1."""
        if (self.last_epoch + 1 if epoch is None else epoch) <= self.start_epoch:
            self.best = torch.inf if self.mode == "min" else -torch.inf
            self.num_bad_epochs = 0
        super().step(metrics, epoch)
