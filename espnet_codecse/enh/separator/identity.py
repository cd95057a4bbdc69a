"""A separator that changes nothing, for models whose encoder enhances."""

from collections import OrderedDict

import torch

from espnet_codecse.errors import UserError
from espnet_codecse.espnet_base import AbsSeparator


class IdentitySeparator(AbsSeparator):
    """Return the embedding as the only estimate.

    Args:
        input_dim: number of channels of the embedding.
        num_spk: number of speakers, 1.

    Raises:
        UserError: several speakers.
    """

    def __init__(self, input_dim: int, num_spk: int = 1):
        super().__init__()
        if num_spk != 1:
            raise UserError(f"--num_spk {num_spk}: an encoder separates no speakers; leave it out")

    @property
    def num_spk(self) -> int:
        """Number of speakers, 1."""
        return 1

    def forward(
        self, input: torch.Tensor, ilens: torch.Tensor, additional: dict | None = None
    ) -> tuple[list[torch.Tensor], torch.Tensor, "OrderedDict[str, torch.Tensor]"]:
        """Return ``([input], ilens, {})`` for an embedding ``(batch, frame, channel)``."""
        return [input], ilens, OrderedDict()
