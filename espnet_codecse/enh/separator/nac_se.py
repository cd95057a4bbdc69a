"""LatentSE: enhancement of continuous codec embeddings (2502.16240)."""

from collections import OrderedDict
from typing import Dict, List, Optional, Tuple

import torch
from espnet2.enh.separator.abs_separator import AbsSeparator

from espnet_codecse.codec.hybrid.layers import Refiner, zero_initialised
from espnet_codecse.enh.modulation import ModulationBlock
from espnet_codecse.enh.normalization import EmbeddingNormalization
from espnet_codecse.enh.separator.transformer import TransformerStack


class NacSeSeparator(AbsSeparator):
    """Transformer and modulation block whose mask multiplies the mixture embedding (2502.16240, section 2).

    Args:
        input_dim: channels of the embedding.
        num_spk: estimates.
        activation: ``snake`` or ``elu``, the codec encoder's last one.
        width: transformer channels; where they equal ``input_dim`` there is no 1x1 adapter.
        num_layers, num_heads, ffn_width, dropout: see :class:`TransformerStack`.
        normalize: ``none``, ``global`` or ``utterance``: see :class:`EmbeddingNormalization`.
        num_conv_blocks: ConvNeXt-style blocks before the transformer; the paper has none. They learn local structure
            faster than attention where data are few.
        log_magnitude: give the network the logarithm of the embedding's magnitude beside the embedding. A transform
            codec's values change their sign from frame to frame: their energy is what tells speech from noise.
        residual: start from the mixture: masks that begin at one, and an offset that begins at zero is added to the
            paper's ``mask * mixture``. As with the zero-initialised latent denoisers, nothing needs to learn first
            to pass speech on; and the offset restores what no mask can, values that are small by accident.
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
        num_conv_blocks: int = 0,
        log_magnitude: bool = False,
        residual: bool = False,
    ):
        super().__init__()
        self._num_spk = num_spk
        self.activation = activation
        self.normalization = EmbeddingNormalization(input_dim, normalize)
        same, self.log_magnitude = width == input_dim, log_magnitude
        if log_magnitude:
            self.adapter_in = torch.nn.Linear(2 * input_dim, width)
        else:
            self.adapter_in = torch.nn.Identity() if same else torch.nn.Linear(input_dim, width, bias=False)
        self.conv_blocks = torch.nn.ModuleList(Refiner(width, 3 * width) for _ in range(num_conv_blocks))
        self.transformer = TransformerStack(width, num_layers, num_heads, ffn_width, dropout)
        self.adapter_out = torch.nn.Identity() if same else torch.nn.Linear(width, input_dim, bias=False)
        self.modulation = ModulationBlock(input_dim, num_spk, activation)
        self.offset = None
        if residual:
            self.modulation.start_at_one()
            self.offset = zero_initialised(torch.nn.Conv1d(input_dim, input_dim * num_spk, 1))

    @property
    def num_spk(self) -> int:
        """Number of estimates."""
        return self._num_spk

    def forward(
        self, input: torch.Tensor, ilens: torch.Tensor, additional: Optional[Dict] = None
    ) -> Tuple[List[torch.Tensor], torch.Tensor, "OrderedDict[str, torch.Tensor]"]:
        """Enhance.

        Args:
            input: mixture embedding ``(batch, frame, channel)``.
            ilens: ``(batch,)`` frames.
            additional: unused.

        Returns:
            ``([estimate (batch, frame, channel)] a speaker, ilens, {"mask_spk1": ...})``.
        """
        normalized, scale = self.normalization(input, ilens)
        if self.log_magnitude:
            normalized = torch.cat([normalized, (normalized.abs() + 1e-2).log()], dim=-1)
        valid = torch.arange(input.shape[1], device=input.device)[None] < ilens.to(input.device)[:, None]
        # Cleared before and after every convolution: what it leaves in the padding must not come back.
        features = self.adapter_in(normalized) * valid.unsqueeze(-1)
        for block in self.conv_blocks:
            features = block(features.transpose(1, 2)).transpose(1, 2) * valid.unsqueeze(-1)
        features = self.adapter_out(self.transformer(features, ilens))
        masks = self.modulation(features)
        others = OrderedDict((f"mask_spk{index + 1}", mask) for index, mask in enumerate(masks))
        estimates = [input * mask for mask in masks]
        if self.offset is not None:
            offsets = self.offset(features.transpose(1, 2)).transpose(1, 2) * valid.unsqueeze(-1)
            offsets = offsets.chunk(self._num_spk, dim=2)
            # In units of the embedding: a level that was taken out of the features is put back.
            estimates = [estimate + scale * offset for estimate, offset in zip(estimates, offsets)]
        return estimates, ilens, others
