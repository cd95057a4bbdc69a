"""The transformer that the embedding-domain separators share."""

import math

import torch

from espnet_codecse.dropout import Dropout, SelfAttention
from espnet_codecse.length_mask import has_padding, length_mask


def sinusoidal_positions(num_frames: int, width: int, device: torch.device) -> torch.Tensor:
    """Return positional encodings ``(frame, width)`` for any number of frames (Vaswani et al., 2017, section 3.5)."""
    position = torch.arange(num_frames, device=device, dtype=torch.float32)[:, None]
    rate = torch.exp(torch.arange(0, width, 2, device=device, dtype=torch.float32) * (-math.log(10000.0) / width))
    table = torch.zeros(num_frames, width, device=device)
    table[:, 0::2] = torch.sin(position * rate)
    table[:, 1::2] = torch.cos(position * rate)[:, : width // 2]
    return table


class TransformerLayer(torch.nn.TransformerEncoderLayer):
    """PyTorch's pre-norm layer, with dropout that is fast on a CPU.

    Args:
        width, num_heads, ffn_width, dropout: see :class:`TransformerStack`.
    """

    def __init__(self, width: int, num_heads: int, ffn_width: int, dropout: float):
        super().__init__(width, num_heads, ffn_width, dropout, batch_first=True, norm_first=True)
        self.self_attn = SelfAttention(width, num_heads, dropout, batch_first=True)
        self.dropout, self.dropout1, self.dropout2 = (Dropout(dropout) for _ in range(3))


class TransformerStack(torch.nn.Module):
    """Pre-norm transformer encoder with sinusoidal positions and a final layer normalisation.

    Args:
        width: number of channels.
        num_layers: number of layers.
        num_heads: number of attention heads.
        ffn_width: channels of the feed-forward networks.
        dropout: dropout probability.
    """

    def __init__(self, width: int, num_layers: int, num_heads: int, ffn_width: int, dropout: float):
        super().__init__()
        layer = TransformerLayer(width, num_heads, ffn_width, dropout)
        self.layers = torch.nn.TransformerEncoder(
            layer, num_layers, norm=torch.nn.LayerNorm(width), enable_nested_tensor=False
        )

    def forward(self, features: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Map ``(batch, frame, width)`` with ``lengths (batch,)`` frames to the same shape."""
        num_frames, width = features.shape[1:]
        # Without padding, no mask is passed, so that attention takes its fast path.
        padding = ~length_mask(lengths, num_frames, features.device) if has_padding(lengths, num_frames) else None
        positions = sinusoidal_positions(num_frames, width, features.device).to(features.dtype)
        return self.layers(features + positions, src_key_padding_mask=padding)
