"""The moving average of the weights, which sampling uses."""

import torch
from torch.optim.swa_utils import AveragedModel


class WeightAverage(AveragedModel):
    """Exponential moving average of a network's weights, part of the checkpoint.

    In the first steps, the decay is only ``(1 + n) / (10 + n)``. Otherwise, the random initial weights would remain in
    the average for ``1 / (1 - decay)`` steps.

    Args:
        network: network that is trained.
        decay: weight of the previous average in each step.
    """

    def __init__(self, network: torch.nn.Module, decay: float):
        @torch.no_grad()
        def move(averages, weights, number):
            step = int(number)
            torch._foreach_lerp_(list(averages), list(weights), 1 - min(decay, (1 + step) / (10 + step)))

        super().__init__(network, multi_avg_fn=move)
        self.requires_grad_(False).eval()
        self._seen = None

    def follow(self, network: torch.nn.Module) -> None:
        """Update the average if an optimiser has changed the weights since the last call.

        Calling this in each forward pass requires no hook in the trainer. It counts optimiser steps, not the forward
        passes whose gradients are accumulated for a step.
        """
        version = next(network.parameters())._version
        if version != self._seen:
            self.update_parameters(network)
            self._seen = version

    def train(self, mode: bool = True) -> "WeightAverage":
        """Do nothing: the average stays in evaluation mode."""
        return super().train(False)
