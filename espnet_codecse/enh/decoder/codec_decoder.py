"""A frozen codec decoder as ESPnet enhancement back end."""

import torch

from espnet_codecse.codec import load_codec
from espnet_codecse.espnet_base import AbsDecoder


class CodecDecoder(AbsDecoder):
    """Decodes embeddings to waveforms; the gradient reaches the embedding, not the codec.

    Args:
        codec: what ``--codec`` takes.
        quantize: decode what the quantiser leaves of the embedding, as after transmission (2502.16240, section 2).
        bandwidth: bandwidth of the training data, Hz, such as 4000 for 8 kHz data; the band above
            need not be decoded.
    """

    def __init__(self, codec: str, quantize: bool = False, bandwidth: int | None = None):
        super().__init__()
        self.codec_name, self.quantize, self.bandwidth = codec, quantize, bandwidth

    def forward(
        self, input: torch.Tensor, ilens: torch.Tensor, fs: int | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return ``(speech (batch, sample), ilens)``.

        Args:
            input: ``(batch, frame, channel)``.
            ilens: ``(batch,)`` samples wanted of each item; the output is as long as the longest.
            fs: unused; the codec has one rate.
        """
        codec = load_codec(self.codec_name, str(input.device))
        frame_lengths = torch.tensor([codec.num_frames(n) for n in ilens.tolist()], device=input.device)
        if self.quantize:
            input = straight_through(codec, input, frame_lengths)
        return codec.decode(input, frame_lengths, int(ilens.max()), self.bandwidth), ilens


def straight_through(codec, embedding: torch.Tensor, frame_lengths: torch.Tensor) -> torch.Tensor:
    """Quantise ``(batch, frame, channel)``; the gradient passes as if the quantiser were the identity."""
    return embedding + (codec.quantize(embedding.detach(), frame_lengths)[0] - embedding).detach()
