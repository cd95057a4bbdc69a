"""A residual vector quantiser with plain nearest-neighbour search, as in SoundStream (Zeghidour et al., 2021)."""

import torch

from espnet_codecse.codec.mdct.quantizer import nearest


class NearestQuantizer(torch.nn.Module):
    """Each codebook codes the residual of the previous ones.

    Args:
        codebooks: ``(codebook, entry, channel)``.
    """

    def __init__(self, codebooks: torch.Tensor):
        super().__init__()
        self.codebooks = torch.nn.Parameter(codebooks)

    def encode(self, embedding: torch.Tensor) -> torch.Tensor:
        """Return the codes ``(batch, codebook, frame)`` of ``embedding (batch, frame, channel)``."""
        residual, codes = embedding, []
        for codebook in self.codebooks:
            codes.append(nearest(residual, codebook))
            residual = residual - codebook[codes[-1]]
        return torch.stack(codes, dim=1)

    def decode(self, codes: torch.Tensor) -> torch.Tensor:
        """Return ``(batch, frame, channel)`` of ``codes (batch, codebook, frame)``, maybe only of the first ones."""
        return torch.stack([codebook[code] for codebook, code in zip(self.codebooks, codes.unbind(1))]).sum(dim=0)

    def forward(self, embedding: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Quantise ``embedding (batch, frame, channel)`` in training.

        Returns:
            ``(quantised embedding with a straight-through gradient, commitment loss, codebook loss)``; the losses are
            sums over the codebooks of mean squared errors (van den Oord et al., 2017, eq. 3).
        """
        residual, quantized = embedding, torch.zeros_like(embedding)
        commitment = codebook_loss = embedding.new_zeros(())
        for codebook in self.codebooks:
            chosen = codebook[nearest(residual.detach(), codebook.detach())]
            commitment = commitment + (residual - chosen.detach()).square().mean()
            codebook_loss = codebook_loss + (chosen - residual.detach()).square().mean()
            residual = residual - chosen.detach()
            quantized = quantized + chosen.detach()
        return embedding + (quantized - embedding).detach(), commitment, codebook_loss
