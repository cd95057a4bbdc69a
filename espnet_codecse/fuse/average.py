"""The moving average of weights that sampling uses."""

import torch
from torch.optim.swa_utils import AveragedModel


class WeightAverage(AveragedModel):
    """Exponential moving average of a network's weights, part of the checkpoint.

    Early on it follows the weights closer, ``(1 + n) / (10 + n)``: the random ones would stay in it for
    ``1 / (1 - decay)`` steps.

    Args:
        network: the one that is trained.
        decay: portion of the average that a step leaves.
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
        """Take in the weights if an optimiser has changed them since the last call.

        Called at each forward pass, it needs no hook in the trainer, and counts steps, not the passes whose gradients
        are summed for one.
        """
        version = next(network.parameters())._version
        if version != self._seen:
            self.update_parameters(network)
            self._seen = version

    def train(self, mode: bool = True) -> "WeightAverage":
        """Stay in evaluation mode."""
        return super().train(False)
