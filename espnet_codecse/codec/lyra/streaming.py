"""Run a chain of causal layers piece by piece, with the same result as for the whole signal."""

from collections.abc import Iterable, Iterator

import torch

from espnet_codecse.codec.lyra.layers import CausalConv, CausalUpsample, Residual


class CausalChain(torch.nn.Module):
    """A chain of causal layers, whose state is passed in and out.

    A convolution keeps the units that later outputs depend on, and a transposed one the tail to which later units add.

    Args:
        layers: the layers in order; they are shared, not copied.
    """

    def __init__(self, layers: Iterable[torch.nn.Module]):
        super().__init__()
        self.layers = torch.nn.ModuleList(layers)

    def silent_state(self, batch_size: int = 1) -> list[torch.Tensor]:
        """Return the state before the first unit."""
        return [
            torch.zeros(batch_size, *_state_shape(layer), device=layer.convolution.weight.device)
            for layer in self._stateful(self.layers)
        ]

    def forward(self, units: torch.Tensor, state: list[torch.Tensor]) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Return the outputs of ``units (batch, channel, time)``, ``(batch, channel, time)``, and the next state.

        Args:
            units: a whole number of the strides of all convolutions.
            state: of the previous piece; :meth:`silent_state` for the first one.
        """
        following: list[torch.Tensor] = []
        return self._run(self.layers, units, iter(state), following), following

    def _run(
        self,
        layers: Iterable[torch.nn.Module],
        units: torch.Tensor,
        state: Iterator[torch.Tensor],
        following: list[torch.Tensor],
    ) -> torch.Tensor:
        for layer in layers:
            if isinstance(layer, Residual):
                units = units + self._run(layer, units, state, following)
            elif isinstance(layer, (CausalConv, CausalUpsample)):
                units, left = layer.step(units, next(state))
                following.append(left)
            else:
                units = layer(units)
        return units

    def _stateful(self, layers: Iterable[torch.nn.Module]) -> Iterator[CausalConv | CausalUpsample]:
        for layer in layers:
            if isinstance(layer, Residual):
                yield from self._stateful(layer)
            elif isinstance(layer, (CausalConv, CausalUpsample)):
                yield layer


def _state_shape(layer: CausalConv | CausalUpsample) -> tuple[int, int]:
    """Return the channels and units of a layer's state."""
    if isinstance(layer, CausalConv):
        return layer.convolution.in_channels, layer.context
    return layer.convolution.out_channels, layer.convolution.kernel_size[0] - layer.stride
