"""The residual vector quantiser of one branch, which limits the information in the branch."""

import copy

import torch

from espnet_codecse.codec.lyra.quantizer import NearestQuantizer
from espnet_codecse.codec.mdct.quantizer import ResidualQuantizer
from espnet_codecse.errors import UserError


class BranchQuantizer(torch.nn.Module):
    """A copy of the codec's quantiser with a straight-through gradient to the branch.

    A branch starts with the codec's quantiser, because the decoder knows its codes. DAC's quantiser, which has
    factorised codes, and Lyra's are trained with commitment and codebook losses. The small codec's quantiser has fitted
    codebooks, and only its refiner is trained. ESPnet's quantiser is unsuitable, because its output projection gets no
    gradient.

    Args:
        quantizer: quantiser of the codec: transformers' ``DacResidualVectorQuantizer``, :class:`ResidualQuantizer` or
            :class:`NearestQuantizer`.
        num_quantizers: number of codebooks to use, from the first.
        dropout: share of each training batch that uses a random number of them, as in the training of DAC. The dropout
            in the configuration of the codec is that of its own training and does not count.

    Raises:
        UserError: the codec has fewer codebooks, or a codec other than DAC is given a dropout.
    """

    def __init__(self, quantizer: torch.nn.Module, num_quantizers: int, dropout: float = 0.0):
        super().__init__()
        self.fitted = isinstance(quantizer, ResidualQuantizer)
        self.plain = isinstance(quantizer, NearestQuantizer)
        self.network = copy.deepcopy(quantizer)
        if self.plain:
            stages = self.network.codebooks
        else:
            stages = self.network.stages if self.fitted else self.network.quantizers
        if not 0 < num_quantizers <= len(stages):
            raise UserError(f"generator_conf num_quantizers: {num_quantizers} of {len(stages)}; give 0 (none) to that")
        if not 0 <= dropout <= 1 or ((self.fitted or self.plain) and dropout):
            raise UserError(
                f"generator_conf quantizer_dropout: {dropout}; give 0 to 1, or 0 for the small codec, whose codebooks "
                "are fitted, and Lyra V2"
            )
        if self.plain:
            self.network = NearestQuantizer(stages.detach()[:num_quantizers].clone())
            return
        del stages[num_quantizers:]
        if not self.fitted:
            self.network.n_codebooks, self.network.quantizer_dropout = num_quantizers, dropout

    def forward(self, embedding: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Quantise ``embedding (batch, frame, channel)``.

        Returns:
            ``(quantised (batch, frame, channel), commitment loss, codebook loss)``.
        """
        if self.plain:
            return self.network(embedding)
        if self.fitted:
            quantized = self.network.decode(self.network.encode(embedding.detach()))
            commitment = (embedding - quantized.detach()).square().mean()
            codebook = (quantized - embedding.detach()).square().mean()
            # Gradients flow to the branch, as if it were not quantised, and to the refiner.
            return quantized + embedding - embedding.detach(), commitment, codebook
        quantized, _, _, commitment, codebook = self.network(embedding.transpose(1, 2))
        return quantized.transpose(1, 2), commitment.mean(), codebook.mean()
