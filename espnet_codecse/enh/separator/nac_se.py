"""LatentSE: enhancement of continuous codec embeddings (2502.16240)."""

from collections import OrderedDict

import torch

from espnet_codecse.enh.separator.modulation import ModulationBlock
from espnet_codecse.enh.separator.normalization import EmbeddingNormalization
from espnet_codecse.enh.separator.transformer import TransformerStack
from espnet_codecse.espnet_base import AbsSeparator
from espnet_codecse.length_mask import length_mask

OUTPUTS = ("mask", "mapping")


class NacSeSeparator(AbsSeparator):
    """A transformer and a modulation block estimate masks for the mixture embedding (2502.16240, section 2).

    With ``output: mapping``, a linear layer gives the estimates instead of masks. With ``predicted_codebooks``, the
    transformer predicts the codes of the clean speech, so that continuous and discrete targets can be compared in one
    network.

    Args:
        input_dim: number of channels of the embedding.
        num_spk: number of speakers.
        activation: last activation of the codec's encoder: ``snake``, ``elu`` or ``leaky_relu``.
        width: channels of the transformer; if they equal ``input_dim``, there is no 1x1 adapter.
        num_layers, num_heads, ffn_width, dropout: see :class:`TransformerStack`.
        normalize: ``none``, ``global`` or ``utterance``; see :class:`EmbeddingNormalization`.
        output: ``mask``, as published, or ``mapping``.
        predicted_codebooks: number of the codec's first codebooks to predict; 0: estimate masks.
        codebook_size: entries per codebook, that of the codec; used with ``predicted_codebooks``.
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
        output: str = "mask",
        predicted_codebooks: int = 0,
        codebook_size: int = 0,
    ):
        super().__init__()
        if output not in OUTPUTS:
            raise ValueError(f"output '{output}' is none of {', '.join(OUTPUTS)}")
        self._num_spk, self.predicted_codebooks, self.codebook_size = num_spk, predicted_codebooks, codebook_size
        self.activation = activation
        self.normalization = EmbeddingNormalization(input_dim, normalize)
        same = width == input_dim
        self.adapter_in = torch.nn.Identity() if same else torch.nn.Linear(input_dim, width, bias=False)
        self.transformer = TransformerStack(width, num_layers, num_heads, ffn_width, dropout)
        if predicted_codebooks:
            self.logits = torch.nn.Linear(width, num_spk * predicted_codebooks * codebook_size)
            return
        self.mapping = torch.nn.Linear(width, num_spk * input_dim) if output == "mapping" else None
        if self.mapping is not None:
            return
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
            speaker; there are no masks with ``output: mapping``. With ``predicted_codebooks``, the estimates are logits
            ``(batch, frame, codebook, entry)``.
        """
        normalized, scale = self.normalization(input, ilens)
        features = self.transformer(self.adapter_in(normalized), ilens)
        if self.predicted_codebooks:
            shape = (self.num_spk, self.predicted_codebooks, self.codebook_size)
            return list(self.logits(features).unflatten(2, shape).unbind(2)), ilens, OrderedDict()
        if self.mapping is not None:
            values = self.mapping(features).unflatten(2, (self.num_spk, -1)).float().unbind(2)
            valid = length_mask(ilens, input.shape[1], input.device).unsqueeze(-1)
            return [self.normalization.restored(value, scale) * valid for value in values], ilens, OrderedDict()
        masks = self.modulation(self.adapter_out(features))
        others = OrderedDict((f"mask_spk{index + 1}", mask) for index, mask in enumerate(masks))
        return [input * mask for mask in masks], ilens, others
