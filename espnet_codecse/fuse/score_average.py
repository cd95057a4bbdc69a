"""ESPnet's score model with a moving average of its weights, as SGMSE+ is trained (2208.05830)."""

from typing import Any

import torch
from espnet2.enh.diffusion.score_based_diffusion import ScoreModel

from espnet_codecse.fuse.average import WeightAverage
from espnet_codecse.fuse.sampling import seeded


class AveragedScoreModel(ScoreModel):
    """The choice ``diffusion_model: sgmse_average`` of ESPnet's enhancement task.

    Validation and sampling use the average. Validation has fixed times and noise, so that losses of different epochs
    can be compared.

    Args:
        average_decay: decay of the moving average of the weights.
        conf: arguments of ESPnet's model.
    """

    def __init__(self, average_decay: float = 0.999, **conf: Any):
        super().__init__(**conf)
        self.average = WeightAverage(self.dnn, average_decay)

    def score_fn(self, x: torch.Tensor, t: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Return the score, complex ``(batch, 1, bin, frame)``.

        Args:
            x, y: perturbed and noisy spectrum of the same shape.
            t: time ``(batch,)``.
        """
        network = self.dnn if self.training else self.average
        return -network(torch.cat([x, y], dim=1), t)

    def forward(self, feature_ref: torch.Tensor, feature_mix: torch.Tensor) -> torch.Tensor:
        """Return the loss for complex compressed spectra ``(batch, frame, bin)`` of clean and noisy speech."""
        if self.training:
            self.average.follow(self.dnn)
            return super().forward(feature_ref, feature_mix)
        with seeded(0, feature_mix.device):
            return super().forward(feature_ref, feature_mix)
