"""Causal layers that carry their past: a recording frame by frame gives what the whole gives at once.

Every layer takes its state and returns the next one; None starts with silence. Offline and streaming runs are the same
code, so that they cannot drift apart.
"""

import torch
from torch import nn

from espnet_codecse.precision import LSTM

LSTMState = tuple[torch.Tensor, torch.Tensor]


class GatedConv(nn.Module):
    """A gated convolution over two frames and three bins, with every second bin kept (2403.01369's code; [GCRN]).

    Args:
        num_inputs, num_outputs: channels.
    """

    def __init__(self, num_inputs: int, num_outputs: int):
        super().__init__()
        self.conv = nn.Conv2d(num_inputs, 2 * num_outputs, (2, 3), (1, 2))
        self.norm = nn.BatchNorm2d(num_outputs)

    def forward(self, features: torch.Tensor, past: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """Return ``(batch, channel, frame, bin)`` and the next state.

        Args:
            features: ``(batch, channel, frame, bin)``.
            past: the input's last frame before, ``(batch, channel, 1, bin)``.
        """
        features = torch.cat([_silence(features) if past is None else past, features], dim=2)
        gated = nn.functional.glu(self.conv(features), dim=1)
        return nn.functional.elu(self.norm(gated)), features[:, :, -1:]


class GatedTransposedConv(nn.Module):
    """The mirror of :class:`GatedConv`: twice as many bins; a frame depends on its own and the one before.

    Args:
        num_inputs, num_outputs: channels.
        output_padding: bins added at the top.
        last: neither normalised nor bent: what comes out is the spectrum.
    """

    def __init__(self, num_inputs: int, num_outputs: int, output_padding: int = 0, last: bool = False):
        super().__init__()
        # The kernel's first tap in time meets the newest frame.
        self.conv = nn.ConvTranspose2d(num_inputs, 2 * num_outputs, (2, 3), (1, 2), output_padding=(0, output_padding))
        self.norm = None if last else nn.BatchNorm2d(num_outputs)

    def forward(self, features: torch.Tensor, past: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """See :meth:`GatedConv.forward`."""
        features = torch.cat([_silence(features) if past is None else past, features], dim=2)
        # One frame too many at either end: the first belongs to the past, the last has not all of its input yet.
        gated = nn.functional.glu(self.conv(features)[:, :, 1:-1], dim=1)
        return (gated if self.norm is None else nn.functional.elu(self.norm(gated))), features[:, :, -1:]


class GroupedLSTM(nn.Module):
    """Two layers of LSTMs on groups of the channels, which are interleaved after each (Gao et al., 2018).

    Args:
        size: channels in and out.
        num_groups: each has an LSTM of ``size / num_groups`` per layer.
    """

    num_layers = 2

    def __init__(self, size: int, num_groups: int = 2):
        super().__init__()
        group = size // num_groups
        self.lstms = nn.ModuleList(
            nn.ModuleList(LSTM(group, group, batch_first=True) for _ in range(num_groups))
            for _ in range(self.num_layers)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(size) for _ in range(self.num_layers))
        self.num_groups = num_groups

    def forward(
        self, features: torch.Tensor, states: list[LSTMState] | None = None
    ) -> tuple[torch.Tensor, list[LSTMState]]:
        """Return ``(batch, frame, channel)`` and the next states, of every group of every layer.

        Args:
            features: ``(batch, frame, channel)``.
            states: as returned for the frames before.
        """
        following: list[LSTMState] = []
        for layer, norm in zip(self.lstms, self.norms):
            groups = []
            for lstm, part in zip(layer, features.chunk(self.num_groups, dim=-1)):
                output, state = lstm(part, None if states is None else states[len(following)])
                groups.append(output)
                following.append(state)
            features = norm(torch.stack(groups, dim=-1).flatten(-2))
        return features, following


def _silence(features: torch.Tensor) -> torch.Tensor:
    return torch.zeros_like(features[:, :, :1])
