"""Residual vector quantiser whose stages work in sub-spaces, fitted by k-means and then trained."""

from typing import List, Optional, Tuple

import torch


class SubspaceStage(torch.nn.Module):
    """One codebook in a low-dimensional projection of the embedding, as DAC's factorised codes.

    Unlike DAC, distances are plain Euclidean: the embedding's magnitude is the signal's level and must be kept; and
    the projections stay as they were fitted: trained along, they drift apart and the residual grows without bound.
    """

    def __init__(self, num_channels: int, codebook_size: int, codebook_dim: int):
        super().__init__()
        self.project_in = torch.nn.Parameter(torch.zeros(codebook_dim, num_channels), requires_grad=False)
        self.project_out = torch.nn.Parameter(torch.zeros(num_channels, codebook_dim), requires_grad=False)
        self.codebook = torch.nn.Parameter(torch.zeros(codebook_size, codebook_dim))

    def search(self, residual: torch.Tensor) -> Tuple[torch.Tensor, torch.Tensor]:
        """Return ``(projected (..., codebook_dim), codes (...))`` of ``residual (..., channel)``."""
        projected = residual @ self.project_in.T
        return projected, nearest(projected.detach(), self.codebook.detach())

    def lookup(self, codes: torch.Tensor) -> torch.Tensor:
        """Return the contribution ``(..., channel)`` of ``codes (...)``."""
        return self.codebook[codes] @ self.project_out.T


class ResidualQuantizer(torch.nn.Module):
    """Stages in sequence, each coding what the earlier ones left (Zeghidour et al., 2021, section III-C)."""

    def __init__(self, num_channels: int, num_codebooks: int, codebook_size: int, codebook_dim: int):
        super().__init__()
        self.stages = torch.nn.ModuleList(
            SubspaceStage(num_channels, codebook_size, codebook_dim) for _ in range(num_codebooks)
        )

    def forward(self, embedding: torch.Tensor) -> Tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Quantise with a straight-through gradient.

        Args:
            embedding: ``(batch, frame, channel)``.

        Returns:
            ``(quantised (batch, frame, channel), codes (batch, codebook, frame), loss)``; the loss pulls the
            codebooks to the embedding and, at a quarter of the weight, the embedding to the codebooks. What follows
            the quantiser trains the codebooks too: they get its gradient beside the embedding.
        """
        residual, quantized, codes, loss = embedding, torch.zeros_like(embedding), [], embedding.new_zeros(())
        for stage in self.stages:
            projected, code = stage.search(residual)
            entry = stage.codebook[code]
            loss = loss + (projected.detach() - entry).square().mean()
            loss = loss + 0.25 * (projected - entry.detach()).square().mean()
            entry = entry + projected - projected.detach()
            contribution = entry @ stage.project_out.T
            residual, quantized = residual - contribution, quantized + contribution
            codes.append(code)
        return quantized, torch.stack(codes, dim=1), loss / len(self.stages)

    def encode(self, embedding: torch.Tensor) -> torch.Tensor:
        """Return ``codes (batch, codebook, frame)`` of ``(batch, frame, channel)``."""
        residual, codes = embedding, []
        for stage in self.stages:
            _, code = stage.search(residual)
            residual = residual - stage.lookup(code)
            codes.append(code)
        return torch.stack(codes, dim=1)

    def decode(self, codes: torch.Tensor) -> torch.Tensor:
        """Return ``(batch, frame, channel)`` of ``codes (batch, codebook, frame)``."""
        parts = [stage.lookup(codes[:, index]) for index, stage in enumerate(self.stages)]
        return torch.stack(parts).sum(dim=0)

    @torch.no_grad()
    def fit(
        self,
        embedding: torch.Tensor,
        channel_weight: torch.Tensor,
        iterations: int = 12,
        generator: Optional[torch.Generator] = None,
    ) -> List[int]:
        """Initialise all stages by k-means, stage after stage, on the band of channels with most left to code.

        The bits go greedily where the weighted residual is largest, as in a transform coder's bit allocation.
        Started from random codebooks, the quantiser diverges together with the encoder.

        Args:
            embedding: ``(frame, channel)`` of training speech.
            channel_weight: ``(channel,)`` importance of each channel's error.
            iterations: k-means iterations a stage.
            generator: source of the initial centres.

        Returns:
            The first channel of each stage's band.
        """
        width = self.stages[0].codebook.shape[1]
        residual, chosen = embedding.clone(), []
        for stage in self.stages:
            energy = (residual * channel_weight).square().mean(0).unfold(0, width, width).sum(-1)
            start = int(energy.argmax()) * width
            band = slice(start, start + width)
            weight = channel_weight[band]
            centres = kmeans(residual[:, band] * weight, len(stage.codebook), iterations, generator)
            stage.codebook.copy_(centres)
            stage.project_in[:, band] = torch.diag(weight)
            stage.project_out[band] = torch.diag(1 / weight)
            _, codes = stage.search(residual)
            residual -= stage.lookup(codes)
            chosen.append(start)
        return chosen


def nearest(points: torch.Tensor, centres: torch.Tensor) -> torch.Tensor:
    """Return the index ``(...)`` of the centre ``(centre, dim)`` nearest to each of ``points (..., dim)``."""
    half_norm = centres.square().sum(1) / 2
    flat = points.reshape(-1, points.shape[-1])
    # In blocks: the distance matrix of a long recording would not fit in memory.
    blocks = [(half_norm - block @ centres.T).argmin(1) for block in flat.split(16384)]
    return torch.cat(blocks).reshape(points.shape[:-1])


def kmeans(
    points: torch.Tensor, num_centres: int, iterations: int, generator: Optional[torch.Generator] = None
) -> torch.Tensor:
    """Return ``(centre, dim)``; a centre that loses all its points restarts at a random point."""

    def draw(count: int) -> torch.Tensor:
        return points[torch.randint(len(points), (count,), generator=generator)]

    centres = draw(num_centres)
    for _ in range(iterations):
        codes = nearest(points, centres)
        count = torch.bincount(codes, minlength=num_centres).unsqueeze(1)
        total = torch.zeros_like(centres).index_add_(0, codes, points)
        centres = torch.where(count > 0, total / count.clamp(min=1), draw(num_centres))
    return centres
