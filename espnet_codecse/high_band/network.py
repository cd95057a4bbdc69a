"""The network that gives the gains of the bands above 8 kHz."""

import torch

from espnet_codecse.high_band.bands import NUM_FEATURES, NUM_HIGH

LOOK_AHEAD = 5  # frames: gains come out this much after the frame that they are for
LEAST_GAIN = 0.001  # -60 dB


class HighBandNetwork(torch.nn.Module):
    """A recurrent network from the levels of all bands to a gain for each of the high bands.

    Args:
        width: units of each layer.
        num_layers: recurrent layers.
    """

    def __init__(self, width: int = 96, num_layers: int = 2):
        super().__init__()
        self.input = torch.nn.Linear(NUM_FEATURES, width)
        self.recurrent = torch.nn.GRU(width, width, num_layers, batch_first=True)
        self.output = torch.nn.Linear(width, NUM_HIGH)

    def forward(self, features: torch.Tensor, state: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """Return ``(gains (batch, frame, high band), state)``.

        Args:
            features: ``(batch, frame, feature)``, as :class:`espnet_codecse.high_band.bands.Features` returns them.
            state: of the frames before; None at the beginning.
        """
        hidden, state = self.recurrent(torch.relu(self.input(features)), state)
        return LEAST_GAIN + (1.0 - LEAST_GAIN) * torch.sigmoid(self.output(hidden)), state
