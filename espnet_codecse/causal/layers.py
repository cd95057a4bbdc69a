"""Causal layers with a state: processing frame by frame gives the same result as processing a whole recording.

Every layer takes its state and returns the next one; None stands for silence before the first frame. Offline and
streaming inference share this code, so that their results agree.
"""

import torch
from torch import nn

from espnet_codecse.precision import LSTM

LSTMState = tuple[torch.Tensor, torch.Tensor]


class GatedConv(nn.Module):
    """A gated convolution over two frames and three bins with a stride of two bins (code of 2403.01369; [GCRN]).

    Args:
        num_inputs, num_outputs: number of input and output channels.
    """

    def __init__(self, num_inputs: int, num_outputs: int):
        super().__init__()
        self.conv = nn.Conv2d(num_inputs, 2 * num_outputs, (2, 3), (1, 2))
        self.norm = nn.BatchNorm2d(num_outputs)

    def forward(self, features: torch.Tensor, past: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """Return ``(batch, channel, frame, bin)`` and the next state.

        Args:
            features: ``(batch, channel, frame, bin)``.
            past: the previous input frame, ``(batch, channel, 1, bin)``.
        """
        features = torch.cat([_silence(features) if past is None else past, features], dim=2)
        gated = nn.functional.glu(self.conv(features), dim=1)
        return nn.functional.elu(self.norm(gated)), features[:, :, -1:]


class GatedTransposedConv(nn.Module):
    """The mirror of :class:`GatedConv`: it doubles the bins, and a frame depends on itself and the previous one.

    Args:
        num_inputs, num_outputs: number of input and output channels.
        output_padding: number of bins added at the top.
        last: apply neither normalisation nor activation, because the output is the spectrum.
    """

    def __init__(self, num_inputs: int, num_outputs: int, output_padding: int = 0, last: bool = False):
        super().__init__()
        # The first tap of the kernel in time applies to the newest frame.
        self.conv = nn.ConvTranspose2d(num_inputs, 2 * num_outputs, (2, 3), (1, 2), output_padding=(0, output_padding))
        self.norm = None if last else nn.BatchNorm2d(num_outputs)

    def forward(self, features: torch.Tensor, past: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """See :meth:`GatedConv.forward`."""
        features = torch.cat([_silence(features) if past is None else past, features], dim=2)
        # Drop a frame at both ends: the first belongs to the past, and the last is incomplete.
        gated = nn.functional.glu(self.conv(features)[:, :, 1:-1], dim=1)
        return (gated if self.norm is None else nn.functional.elu(self.norm(gated))), features[:, :, -1:]


class GroupedLSTM(nn.Module):
    """Two layers of LSTMs on groups of channels, which are interleaved after each layer (Gao et al., 2018).

    Args:
        size: number of input and output channels.
        num_groups: number of groups; each has one LSTM with ``size / num_groups`` channels per layer.
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
        """Return ``(batch, frame, channel)`` and the next states of every group of every layer.

        Args:
            features: ``(batch, frame, channel)``.
            states: states returned for the previous frames.
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
