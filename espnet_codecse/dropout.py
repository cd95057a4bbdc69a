"""Dropout that is fast on a CPU, where PyTorch draws a number of 64 bits per value and one after the other.

Four values share the bits of a number here, which takes a third of the time. A training step of Codecformer-EL spends a
fifth of its time on dropout otherwise. On other devices, and in code that is compiled, PyTorch's own dropout runs.
"""

import math

import torch
import torch.nn.functional as F

LEVELS = 1 << 16  # a value's share of the bits is an int16, so that probabilities are multiples of 1 / LEVELS
PER_NUMBER = 4  # values per number of 64 bits


def dropout(values: torch.Tensor, probability: float, training: bool = True) -> torch.Tensor:
    """Return ``values`` of any shape with zeros at random places; the others are scaled so that the mean is kept.

    Args:
        values: tensor of floating-point numbers.
        probability: of a zero, rounded to a multiple of 1 / 65536.
        training: False: return ``values``.
    """
    if not training or not probability:
        return values
    num_dropped = round(probability * LEVELS)
    if values.device.type != "cpu" or torch.compiler.is_compiling() or not 0 < num_dropped < LEVELS - 1:
        return F.dropout(values, probability)
    first_kept = num_dropped - LEVELS // 2
    bits = torch.randint(-(1 << 63), (1 << 63) - 1, (-(-values.numel() // PER_NUMBER),))
    kept = bits.view(torch.int16)[: values.numel()].clamp_(first_kept - 1, first_kept).sub_(first_kept - 1)
    return values * kept.to(values.dtype).mul_(LEVELS / (LEVELS - num_dropped)).view(values.shape)


class Dropout(torch.nn.Dropout):
    """:func:`dropout` as a module."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """See :func:`dropout`."""
        return dropout(input, self.p, self.training)


def attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    probability: float,
    training: bool,
) -> torch.Tensor:
    """Return scaled dot-product attention with dropout of its weights, ``(batch, head, frame, channel)``.

    Args:
        query, key, value: ``(batch, head, frame, channel)``.
        mask: added to the scores, or True for frames to attend to; it can be expanded to ``(batch, head, frame,
            frame)``.
        probability: of the dropout.
        training: apply the dropout.
    """
    if not training or not probability or query.device.type != "cpu" or torch.compiler.is_compiling():
        return F.scaled_dot_product_attention(query, key, value, mask, probability if training else 0.0)
    scores = (query * (1 / math.sqrt(query.shape[-1]))) @ key.transpose(-2, -1)
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf) if mask.dtype == torch.bool else scores + mask
    return dropout(scores.softmax(-1), probability) @ value


class SelfAttention(torch.nn.MultiheadAttention):
    """PyTorch's self-attention, with the fast dropout in training."""

    def forward(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        key_padding_mask: torch.Tensor | None = None,
        need_weights: bool = True,
        attn_mask: torch.Tensor | None = None,
        **kwargs: bool,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """See :class:`torch.nn.MultiheadAttention`."""
        fast = self.training and self.dropout and self.batch_first and query.dim() == 3 and query is key is value
        if not fast or need_weights or attn_mask is not None:
            return super().forward(query, key, value, key_padding_mask, need_weights, attn_mask, **kwargs)
        projected = F.linear(query, self.in_proj_weight, self.in_proj_bias).unflatten(-1, (3, self.num_heads, -1))
        queries, keys, values = projected.permute(2, 0, 3, 1, 4)
        mask = None
        if key_padding_mask is not None:
            mask = key_padding_mask[:, None, None]
            mask = ~mask if mask.dtype == torch.bool else mask.to(queries.dtype)
        heads = attention(queries, keys, values, mask, self.dropout, training=True)
        # Not by calling the module: PyTorch's attention does not either, so that hooks count the same.
        return F.linear(heads.transpose(1, 2).flatten(2), self.out_proj.weight, self.out_proj.bias), None
