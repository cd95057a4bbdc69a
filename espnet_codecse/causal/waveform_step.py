"""The causal network with its short-time spectrum as one module: a hop of samples in, a hop of samples out."""

import numpy as np
import torch
from torch import nn

from espnet_codecse.causal.abs_network import AbsCausalNetwork
from espnet_codecse.causal.framing import STFTSettings, hann_window


class WaveformStep(nn.Module):
    """Analyse a frame, enhance it, and add it to those before; the state is passed in and out.

    The output is ``window_size - hop`` samples behind the input. It is what
    :class:`espnet_codecse.causal.streaming.StreamingEnhancer` returns for the same frames.

    Args:
        network: network in evaluation mode.
        settings: how the spectra that the network was trained on are computed.
    """

    def __init__(self, network: AbsCausalNetwork, settings: STFTSettings):
        super().__init__()
        self.network, self.settings = network, settings
        size, fft_size = settings.window_size, settings.fft_size
        window, margin = hann_window(size).astype(np.float64), (fft_size - size) // 2
        phase = 2 * np.pi * np.outer(np.arange(settings.num_bins), margin + np.arange(size)) / fft_size
        # As convolutions, since quantisation to 8 bits takes matrices.
        forwards = np.concatenate([np.cos(phase), -np.sin(phase)]) * window
        twice = np.full(settings.num_bins, 2.0)  # bins that stand for a negative frequency too
        twice[0] = twice[-1] = 1.0
        backwards = (np.concatenate([np.cos(phase), -np.sin(phase)]) * np.tile(twice, 2)[:, None] * window / fft_size).T
        self.register_buffer("forwards", torch.from_numpy(forwards).float()[:, None])
        self.register_buffer("backwards", torch.from_numpy(backwards).float()[:, :, None])
        self.register_buffer("weight", torch.from_numpy(settings.overlap_weight()))

    def silent_state(self) -> list[torch.Tensor]:
        """Return the state before the first samples: zeros."""
        num_kept = self.settings.window_size - self.settings.hop
        return [torch.zeros(1, num_kept), torch.zeros(1, num_kept), *self.network.silent_state()]

    def forward(self, samples: torch.Tensor, *state: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return ``(enhanced (1, hop), *next state)``.

        Args:
            samples: ``(1, hop)``.
            state: samples before them, the sum of frames after them, then the network's tensors.
        """
        hop = self.settings.hop
        heard = torch.cat([state[0], samples], dim=1)
        spectrum = nn.functional.conv1d(heard[:, None], self.forwards).view(1, 2, 1, -1)
        spectrum = self._raised(spectrum, self.settings.exponent) * self.settings.factor
        enhanced, _, following = self.network(spectrum, None, self.network.unflatten(state[2:]))
        enhanced = self._raised(enhanced / self.settings.factor, 1 / self.settings.exponent)
        frame = nn.functional.conv1d(enhanced.view(1, -1, 1), self.backwards).view(1, -1)
        total = frame + nn.functional.pad(state[1], (0, hop))
        return (total[:, :hop] / self.weight, heard[:, hop:], total[:, hop:], *self.network.flatten(following))

    @staticmethod
    def _raised(spectrum: torch.Tensor, exponent: float) -> torch.Tensor:
        """Raise the magnitude of ``(1, 2, 1, bin)`` to a power."""
        if exponent == 1:
            return spectrum
        power = spectrum.square().sum(1, keepdim=True).clamp(min=1e-24)
        return spectrum * power ** ((exponent - 1) / 2)
