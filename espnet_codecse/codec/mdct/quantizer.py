"""Residual vector quantiser with stages in subspaces, fitted by k-means, and a trained refinement."""

import torch


class SubspaceStage(torch.nn.Module):
    """One codebook in a low-dimensional projection of the embedding, like DAC's factorised codes.

    There are two differences from DAC. Distances are Euclidean, because the magnitude of the embedding is the level of
    the signal and must be preserved. The stage is fitted, not trained: with training, codebooks lost precision because
    noisy gradients moved rarely used entries, and with trained projections, the residual grew without bound.
    """

    def __init__(self, num_channels: int, codebook_size: int, codebook_dim: int):
        super().__init__()
        self.register_buffer("project_in", torch.zeros(codebook_dim, num_channels))
        self.register_buffer("project_out", torch.zeros(num_channels, codebook_dim))
        self.register_buffer("codebook", torch.zeros(codebook_size, codebook_dim))

    def search(self, residual: torch.Tensor) -> torch.Tensor:
        """Return ``codes (...)`` for ``residual (..., channel)``."""
        return nearest(residual @ self.project_in.T, self.codebook)

    def lookup(self, codes: torch.Tensor) -> torch.Tensor:
        """Return the contribution ``(..., channel)`` of ``codes (...)``."""
        return self.codebook[codes] @ self.project_out.T


class ResidualQuantizer(torch.nn.Module):
    """Stages in sequence; each codes the residual of the previous ones (Zeghidour et al., 2021, section III-C).

    Args:
        num_channels: number of channels of the embedding.
        num_codebooks, codebook_size, codebook_dim: number, size and dimension of the stages' codebooks.
        refiner: network that brings the sum of the stages ``(batch, channel, frame)`` closer to the original embedding.
            It is part of the quantiser, because in the decoder it would also blur the continuous embedding.
    """

    def __init__(
        self, num_channels: int, num_codebooks: int, codebook_size: int, codebook_dim: int, refiner: torch.nn.Module
    ):
        super().__init__()
        self.refiner = refiner
        self.stages = torch.nn.ModuleList(
            SubspaceStage(num_channels, codebook_size, codebook_dim) for _ in range(num_codebooks)
        )

    def forward(self, embedding: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Quantise and refine; gradients reach the refiner but not the embedding.

        Args:
            embedding: ``(batch, frame, channel)``.

        Returns:
            ``(quantised embedding (batch, frame, channel), its mean squared error)``.
        """
        quantized = self.decode(self.encode(embedding.detach()))
        return quantized, (quantized - embedding.detach()).square().mean()

    def _refine(self, quantized: torch.Tensor) -> torch.Tensor:
        return self.refiner(quantized.transpose(1, 2)).transpose(1, 2)

    def encode(self, embedding: torch.Tensor) -> torch.Tensor:
        """Return ``codes (batch, codebook, frame)`` of ``(batch, frame, channel)``."""
        residual, codes = embedding, []
        for stage in self.stages:
            code = stage.search(residual)
            residual = residual - stage.lookup(code)
            codes.append(code)
        return torch.stack(codes, dim=1)

    def decode(self, codes: torch.Tensor) -> torch.Tensor:
        """Return ``(batch, frame, channel)`` of ``codes (batch, codebook, frame)`` of all or of the first stages."""
        parts = [stage.lookup(code) for stage, code in zip(self.stages, codes.unbind(1))]
        return self._refine(torch.stack(parts).sum(dim=0))

    @torch.no_grad()
    def fit(
        self,
        embedding: torch.Tensor,
        channel_weight: torch.Tensor,
        iterations: int = 12,
        generator: torch.Generator | None = None,
    ) -> list[int]:
        """Fit the stages one by one with k-means, each on the band of channels with the largest residual.

        Bits are allocated greedily where the weighted residual is largest, as in a transform coder.

        Args:
            embedding: ``(frame, channel)`` of training speech.
            channel_weight: ``(channel,)``, weight of the error of each channel.
            iterations: number of k-means iterations per stage.
            generator: random generator for the initial centres.

        Returns:
            The first channel of the band of each stage.
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
            stage.project_in.zero_()[:, band] = torch.diag(weight)
            stage.project_out.zero_()[band] = torch.diag(1 / weight)
            codes = stage.search(residual)
            residual -= stage.lookup(codes)
            chosen.append(start)
        return chosen


def nearest(points: torch.Tensor, centres: torch.Tensor) -> torch.Tensor:
    """Return the index ``(...)`` of the centre ``(centre, dim)`` nearest to each of ``points (..., dim)``."""
    half_norm = centres.square().sum(1) / 2
    flat = points.reshape(-1, points.shape[-1])
    # Process blocks, because the distance matrix of a long recording would not fit in memory.
    blocks = [(half_norm - block @ centres.T).argmin(1) for block in flat.split(16384)]
    return torch.cat(blocks).reshape(points.shape[:-1])


def kmeans(
    points: torch.Tensor, num_centres: int, iterations: int, generator: torch.Generator | None = None
) -> torch.Tensor:
    """Return centres ``(centre, dim)``; a centre that loses all its points restarts at a random point."""

    def draw(count: int) -> torch.Tensor:
        return points[torch.randint(len(points), (count,), generator=generator)]

    centres = draw(num_centres)
    for _ in range(iterations):
        codes = nearest(points, centres)
        count = torch.bincount(codes, minlength=num_centres).unsqueeze(1)
        total = torch.zeros_like(centres).index_add_(0, codes, points)
        centres = torch.where(count > 0, total / count.clamp(min=1), draw(num_centres))
    return centres
