"""LatentSE: enhancement of continuous codec embeddings (2502.16240)."""

from collections import OrderedDict

import torch

from espnet_codecse.enh.separator.modulation import ModulationBlock
from espnet_codecse.enh.separator.normalization import EmbeddingNormalization
from espnet_codecse.enh.separator.transformer import TransformerStack
from espnet_codecse.espnet_base import AbsSeparator


class NacSeSeparator(AbsSeparator):
    """A transformer and a modulation block estimate masks for the mixture embedding (2502.16240, section 2).

    Args:
        input_dim: number of channels of the embedding.
        num_spk: number of speakers.
        activation: last activation of the codec's encoder: ``snake``, ``elu`` or ``leaky_relu``.
        width: channels of the transformer; if they equal ``input_dim``, there is no 1x1 adapter.
        num_layers, num_heads, ffn_width, dropout: see :class:`TransformerStack`.
        normalize: ``none``, ``global`` or ``utterance``; see :class:`EmbeddingNormalization`.
    """

    def __init__(
        self,
        input_dim: int,
        num_spk: int = 1,
        activation: str = "snake",
        width: int = 256,
        num_layers: int = 16,
        num_heads: int = 8,
        ffn_width: int = 1024,
        dropout: float = 0.1,
        normalize: str = "global",
    ):
        super().__init__()
        self._num_spk = num_spk
        self.activation = activation
        self.normalization = EmbeddingNormalization(input_dim, normalize)
        same = width == input_dim
        self.adapter_in = torch.nn.Identity() if same else torch.nn.Linear(input_dim, width, bias=False)
        self.transformer = TransformerStack(width, num_layers, num_heads, ffn_width, dropout)
        self.adapter_out = torch.nn.Identity() if same else torch.nn.Linear(width, input_dim, bias=False)
        self.modulation = ModulationBlock(input_dim, num_spk, activation)

    @property
    def num_spk(self) -> int:
        """Number of speakers."""
        return self._num_spk

    def forward(
        self, input: torch.Tensor, ilens: torch.Tensor, additional: dict | None = None
    ) -> tuple[list[torch.Tensor], torch.Tensor, "OrderedDict[str, torch.Tensor]"]:
        """Return one estimate per speaker.

        Args:
            input: mixture embedding ``(batch, frame, channel)``.
            ilens: ``(batch,)`` frames.
            additional: unused.

        Returns:
            ``(estimates, ilens, {"mask_spk1": ...})``; estimates and masks are ``(batch, frame, channel)``, one per
            speaker.
        """
        normalized, _ = self.normalization(input, ilens)
        features = self.adapter_out(self.transformer(self.adapter_in(normalized), ilens))
        masks = self.modulation(features)
        others = OrderedDict((f"mask_spk{index + 1}", mask) for index, mask in enumerate(masks))
        return [input * mask for mask in masks], ilens, others
