"""The moving average of the weights, which sampling uses."""

import torch
from torch.optim.swa_utils import AveragedModel

from espnet_codecse.host_value import HostValue


class WeightAverage(AveragedModel):
    """Exponential moving average of a network's weights, part of the checkpoint.

    In the first steps, the decay is only ``(1 + n) / (10 + n)``. Otherwise, the random initial weights would remain in
    the average for ``1 / (1 - decay)`` steps.

    Args:
        network: network that is trained.
        decay: weight of the previous average in each step.
    """

    def __init__(self, network: torch.nn.Module, decay: float):
        super().__init__(network)
        self.requires_grad_(False).eval()
        self.decay, self._count, self._seen = decay, HostValue(), None

    def follow(self, network: torch.nn.Module) -> None:
        """Update the average if an optimiser has changed the weights since the last call.

        Calling this in each forward pass requires no hook in the trainer. It counts optimiser steps, not the forward
        passes whose gradients are accumulated for a step.
        """
        version = next(network.parameters())._version
        if version != self._seen:
            self.update_parameters(network)
            self._seen = version

    @torch.no_grad()
    def update_parameters(self, network: torch.nn.Module) -> None:
        """Move the average towards the weights of ``network``; unlike PyTorch's, it does not make the host wait."""
        averages, weights = list(self.module.parameters()), [weight.detach() for weight in network.parameters()]
        step = self._count.read(self.n_averaged)
        if step:
            torch._foreach_lerp_(averages, weights, 1 - min(self.decay, (1 + step) / (10 + step)))
        else:
            torch._foreach_copy_(averages, weights)
        for own, buffer in zip(self.module.buffers(), network.buffers()):
            own.copy_(buffer)
        self._count.add(self.n_averaged, 1)

    def train(self, mode: bool = True) -> "WeightAverage":
        """Do nothing: the average stays in evaluation mode."""
        return super().train(False)
