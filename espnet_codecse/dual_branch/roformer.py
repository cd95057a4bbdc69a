"""A pre-norm transformer with rotary position embeddings: RoFormer (Su et al., 2024)."""

import torch

from espnet_codecse.dropout import Dropout, attention, dropout

OUTPUTS = ("direct", "residual", "gate")


def rotation(num_frames: int, head_dim: int, like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the cosine and sine of the angles of each position, ``(frame, head_dim)`` (eq. 15)."""
    frequency = 10000.0 ** (-torch.arange(0, head_dim, 2, device=like.device, dtype=torch.float32) / head_dim)
    angle = torch.arange(num_frames, device=like.device, dtype=torch.float32)[:, None] * frequency
    angle = torch.cat([angle, angle], dim=-1)
    return angle.cos(), angle.sin()


def rotate(vectors: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor) -> torch.Tensor:
    """Rotate ``vectors (..., frame, head_dim)`` by position, so that their products depend only on distances."""
    first, second = vectors.chunk(2, dim=-1)
    return (vectors * cosine + torch.cat([-second, first], dim=-1) * sine).to(vectors.dtype)


class RoFormerLayer(torch.nn.Module):
    """Pre-norm attention and feed-forward network, each with a residual connection.

    Args:
        width: number of features per frame.
        num_heads: number of attention heads; each must have an even number of features.
        ffn_width: number of hidden features of the feed-forward network.
        dropout: dropout probability, also for attention weights.
    """

    def __init__(self, width: int, num_heads: int, ffn_width: int, dropout: float):
        super().__init__()
        if width % (2 * num_heads):
            raise ValueError(f"{num_heads} heads of an even size do not make up a width of {width}")
        self.num_heads, self.dropout = num_heads, dropout
        self.norm1, self.norm2 = torch.nn.LayerNorm(width), torch.nn.LayerNorm(width)
        self.qkv, self.project = torch.nn.Linear(width, 3 * width), torch.nn.Linear(width, width)
        self.ffn = torch.nn.Sequential(
            torch.nn.Linear(width, ffn_width),
            torch.nn.GELU(),
            Dropout(dropout),
            torch.nn.Linear(ffn_width, width),
            Dropout(dropout),
        )

    def forward(
        self, hidden: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor, mask: torch.Tensor | None
    ) -> torch.Tensor:
        """Map ``hidden (batch, frame, width)``; ``mask (batch, 1, 1, frame)`` is true for frames to attend to."""
        batch, num_frames, width = hidden.shape
        qkv = self.qkv(self.norm1(hidden)).view(batch, num_frames, 3, self.num_heads, width // self.num_heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        query, key = rotate(query, cosine, sine), rotate(key, cosine, sine)
        attended = attention(query, key, value, mask, self.dropout, self.training)
        attended = self.project(attended.transpose(1, 2).reshape(batch, num_frames, width))
        hidden = hidden + dropout(attended, self.dropout, self.training)
        return hidden + self.ffn(self.norm2(hidden))


class RoFormer(torch.nn.Module):
    """Map the embedding of the input to the embedding of one branch.

    Args:
        dim: number of channels of the embedding.
        num_layers: number of layers.
        width, num_heads, ffn_width, dropout: see :class:`RoFormerLayer`.
        output: ``direct``: the network's output is the branch's embedding, as published; ``residual``: it is added to
            the input; ``gate``: the embedding is ``gate * input + offset`` with gates in 0 .. 1. In a training of
            hours, ``direct`` has to learn first to pass speech. Use ``residual`` for learned embeddings, whose scale is
            far from 1, and ``gate`` for those that are close to the signal, such as a lapped transform.
        initial_gate: initial bias of the gates.
        log_magnitude: add the logarithmic magnitude of the embedding to the input, which is not visible in signed
            values.
    """

    def __init__(
        self,
        dim: int,
        width: int = 512,
        num_layers: int = 6,
        num_heads: int = 8,
        ffn_width: int = 2048,
        dropout: float = 0.1,
        output: str = "direct",
        initial_gate: float = 0.0,
        log_magnitude: bool = False,
    ):
        super().__init__()
        if output not in OUTPUTS:
            raise ValueError(f"output '{output}' is none of {', '.join(OUTPUTS)}")
        self.output, self.log_magnitude, self.head_dim = output, log_magnitude, width // num_heads
        self.input = torch.nn.Linear(2 * dim if log_magnitude else dim, width)
        self.layers = torch.nn.ModuleList(
            RoFormerLayer(width, num_heads, ffn_width, dropout) for _ in range(num_layers)
        )
        self.norm = torch.nn.LayerNorm(width)
        self.project = torch.nn.Linear(width, 2 * dim if output == "gate" else dim)
        if output != "direct":
            with torch.no_grad():
                self.project.weight *= 0.1
                self.project.bias.zero_()
                if output == "gate":
                    self.project.bias[:dim] = initial_gate

    def forward(self, embedding: torch.Tensor, frame_mask: torch.Tensor | None) -> torch.Tensor:
        """Map ``embedding (batch, frame, channel)`` to the same shape.

        Args:
            embedding: the embedding, zero where the mask is false.
            frame_mask: ``(batch, frame)``, true for frames of the recording; None: all frames are valid.
        """
        features = embedding
        if self.log_magnitude:
            features = torch.cat([embedding, (embedding.abs() + 1e-2).log()], dim=-1)
        hidden = self.input(features)
        cosine, sine = rotation(embedding.shape[1], self.head_dim, hidden)
        mask = None if frame_mask is None else frame_mask[:, None, None]
        for layer in self.layers:
            hidden = layer(hidden, cosine, sine, mask)
        output = self.project(self.norm(hidden))
        if self.output == "gate":
            gate, offset = output.chunk(2, dim=-1)
            output = gate.sigmoid() * embedding + offset
        elif self.output == "residual":
            output = embedding + output
        return output if frame_mask is None else output * frame_mask.unsqueeze(-1)
