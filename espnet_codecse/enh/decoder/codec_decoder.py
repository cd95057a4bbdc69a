"""A frozen codec decoder as the decoder of ESPnet's enhancement task."""

import torch

from espnet_codecse.codec import load_codec
from espnet_codecse.espnet_base import AbsDecoder


class CodecDecoder(AbsDecoder):
    """Decode embeddings to waveforms; gradients reach the embedding but not the codec.

    Args:
        codec: codec, as given to ``--codec``.
        quantize: quantise the embedding before decoding, as in transmission (2502.16240, section 2).
        bandwidth: bandwidth of the training data, Hz, such as 4000 for 8 kHz data; the band above it is not needed.
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
            ilens: ``(batch,)`` samples to decode per item; the output has the length of the longest item.
            fs: unused; the codec has one rate.
        """
        codec = load_codec(self.codec_name, str(input.device))
        frame_lengths = torch.tensor([codec.num_frames(n) for n in ilens.tolist()], device=ilens.device)
        if self.quantize:
            input = straight_through(codec, input, frame_lengths)
        return codec.decode(input, frame_lengths, int(ilens.max()), self.bandwidth), ilens


def straight_through(codec, embedding: torch.Tensor, frame_lengths: torch.Tensor) -> torch.Tensor:
    """Quantise ``(batch, frame, channel)``; gradients pass through as if the quantiser were the identity."""
    return embedding + (codec.quantize(embedding.detach(), frame_lengths)[0] - embedding).detach()
