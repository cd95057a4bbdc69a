"""The causal gated convolutional recurrent network (GCRN) of 2403.01369. It maps complex spectra to complex spectra."""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import nn

from espnet_codecse.causal.abs_network import AbsCausalNetwork
from espnet_codecse.causal.layers import GatedConv, GatedTransposedConv, GroupedLSTM, LSTMState

NUM_BINS = 257  # bins of a Fourier transform of 512 samples
CONDITIONS = ("none", "student", "teacher")
OUTPUTS = ("spectrum", "mask")


class GCRNState(NamedTuple):
    """State that a network carries between frames.

    Attributes:
        encoder: last input frame of each convolution, ``(batch, channel, 1, bin)``.
        recurrent: states ``(hidden, cell)`` of the grouped LSTMs, each ``(1, batch, channel)``.
        decoders: last input frame of each layer of the real decoder, then of the imaginary one, as in ``encoder``.
    """

    encoder: list[torch.Tensor]
    recurrent: list[LSTMState]
    decoders: list[torch.Tensor]


class GCRN(AbsCausalNetwork):
    """An encoder of gated convolutions, grouped LSTMs, and two decoders: for the real and the imaginary part.

    The channels 16, 20, 28, 36, 64 and two groups give the small network with 3.6 M parameters and 0.38 GMAC per second
    (code of 2403.01369). The channels 16, 16, 32, 64, 128 give the medium one.

    Args:
        channels: channels of the encoder's convolutions.
        num_groups: number of groups of the LSTMs.
        embedding_size: channels of the self-supervised features; 0: the network neither predicts nor takes features.
        condition: features that the decoder's LSTMs take in addition to the encoder's: ``none``; ``student``: the
            features that the network predicts from the past; or ``teacher``: features that are given to the network.
        mixing_alpha: weight of the encoder's features in this sum; the weight of the embedding is one minus this value.
        skips: connect the encoder's layers to the decoders. Without skip connections, all information passes through
            the embedding; its predictor is pre-trained in this way.
        predicts: whether the network predicts features; None: unless they are given to it. Processes that train
            together stop where a predictor is not part of the loss.
        output: ``spectrum``: the decoders estimate the spectrum, as published; ``mask``: they estimate a complex mask
            for the noisy spectrum, which starts near 0.5. A network that is trained for minutes then does not need to
            learn to generate speech.
    """

    num_bins = NUM_BINS

    def __init__(
        self,
        channels: Sequence[int] = (16, 20, 28, 36, 64),
        num_groups: int = 2,
        embedding_size: int = 0,
        condition: str = "none",
        mixing_alpha: float = 0.0,
        skips: bool = True,
        output: str = "spectrum",
        predicts: bool | None = None,
    ):
        super().__init__()
        for name, value, known in (("condition", condition, CONDITIONS), ("output", output, OUTPUTS)):
            if value not in known:
                raise ValueError(f"{name} '{value}' is none of {', '.join(known)}")
        if condition != "none" and not embedding_size:
            raise ValueError(f"condition '{condition}' needs an embedding_size")
        self.condition, self.mixing_alpha, self.skips, self.output = condition, mixing_alpha, skips, output
        widths = [2, *channels]
        self.encoder = nn.ModuleList(GatedConv(*pair) for pair in itertools.pairwise(widths))
        bins = [NUM_BINS]
        for _ in channels:
            bins.append((bins[-1] - 3) // 2 + 1)
        size = channels[-1] * bins[-1]
        self.bottleneck_bins = bins[-1]
        self.encoder_lstm = GroupedLSTM(size, num_groups)
        self.decoder_lstm = GroupedLSTM(size, num_groups)
        self.predictor = None
        if embedding_size and (condition != "teacher" if predicts is None else predicts):
            self.predictor = nn.Sequential(nn.Linear(size, embedding_size), nn.Tanh())
        elif condition == "student":
            raise ValueError("condition 'student' needs the features that the network predicts")
        self.adapter = None
        if condition != "none":
            self.adapter = nn.Sequential(nn.Linear(embedding_size, size), nn.Tanh())
        self.decoders = nn.ModuleList(
            nn.ModuleList(
                GatedTransposedConv(
                    2 * widths[depth],
                    1 if depth == 1 else widths[depth - 1],
                    output_padding=bins[depth - 1] - (2 * bins[depth] + 1),
                    last=depth == 1,
                )
                for depth in range(len(channels), 0, -1)
            )
            for _ in range(2)
        )
        self.outputs = nn.ModuleList(nn.Linear(NUM_BINS, NUM_BINS) for _ in range(2))
        if output == "mask":
            with torch.no_grad():
                for layer, start in zip(self.outputs, (0.5, 0.0)):
                    layer.weight *= 0.1
                    layer.bias.fill_(start)

    def forward(
        self, spectrum: torch.Tensor, embedding: torch.Tensor | None = None, state: GCRNState | None = None
    ) -> tuple[torch.Tensor, torch.Tensor | None, GCRNState]:
        """See :class:`AbsCausalNetwork`.

        Raises:
            ValueError: an embedding is missing.
        """
        features, inputs, skips = spectrum, [], []
        for index, layer in enumerate(self.encoder):
            features, past = layer(features, None if state is None else state.encoder[index])
            inputs.append(past)
            skips.append(features)
        batch, _, num_frames, _ = features.shape
        features = features.transpose(1, 2).flatten(2)
        split = GroupedLSTM.num_layers * self.encoder_lstm.num_groups
        before = (None, None) if state is None else (state.recurrent[:split], state.recurrent[split:])
        features, recurrent = self.encoder_lstm(features, before[0])
        student = None if self.predictor is None else self.predictor(features)
        if self.adapter is not None:
            given = student if self.condition == "student" else embedding
            if given is None:
                raise ValueError("the condition 'teacher' needs an embedding")
            features = self.mixing_alpha * features + (1 - self.mixing_alpha) * self.adapter(given)
        features, later = self.decoder_lstm(features, before[1])
        features = features.view(batch, num_frames, -1, self.bottleneck_bins).transpose(1, 2)
        parts: list[torch.Tensor] = []
        pasts: list[torch.Tensor] = []
        for decoder, output in zip(self.decoders, self.outputs):
            part = features
            for skip, layer in zip(reversed(skips), decoder):
                part = torch.cat([part, skip if self.skips else part], dim=1)
                part, past = layer(part, None if state is None else state.decoders[len(pasts)])
                pasts.append(past)
            parts.append(output(part))
        if self.output == "mask":
            (real, imaginary), (noisy_real, noisy_imaginary) = parts, spectrum.split(1, dim=1)
            parts = [real * noisy_real - imaginary * noisy_imaginary, real * noisy_imaginary + imaginary * noisy_real]
        return torch.cat(parts, dim=1), student, GCRNState(inputs, recurrent + later, pasts)

    def flatten(self, state: GCRNState) -> list[torch.Tensor]:
        """See :class:`AbsCausalNetwork`."""
        return [*state.encoder, *(tensor for pair in state.recurrent for tensor in pair), *state.decoders]

    def unflatten(self, tensors: Sequence[torch.Tensor]) -> GCRNState:
        """See :class:`AbsCausalNetwork`."""
        num_layers = len(self.encoder)
        encoder, decoders = tensors[:num_layers], tensors[len(tensors) - 2 * num_layers :]
        recurrent = tensors[num_layers : len(tensors) - 2 * num_layers]
        return GCRNState(list(encoder), list(zip(recurrent[::2], recurrent[1::2])), list(decoders))
