"""The encoder of a codec, fine-tuned to map noisy speech to the embedding of clean speech."""

import torch

from espnet_codecse.codec import AbsCodec
from espnet_codecse.enh.encoder.codec_encoder import CodecEncoder
from espnet_codecse.errors import UserError


class DenoisingEncoder(CodecEncoder):
    """A trainable copy of a codec's encoder; quantiser and decoder stay frozen (Kammoun et al., 2025).

    Any receiver of the codec plays the enhanced speech, and enhancement costs nothing in addition to encoding.

    Args:
        codec, fingerprint: see :class:`CodecEncoder`.

    Raises:
        UserError: the codec is not the one that the model was trained with, or its encoder has no weights.
    """

    def __init__(self, codec: str, fingerprint: str = ""):
        super().__init__(codec, fingerprint)
        self.layers = self.codec("cpu").encoder_copy()
        if not any(True for _ in self.layers.parameters()):
            raise UserError(f"--codec {codec}: its encoder has no weights to train; use another codec")

    def trained_codec(self, device, dtype: str = "float32") -> AbsCodec:
        """See :meth:`CodecEncoder.trained_codec`."""
        return super().trained_codec(device, dtype).with_encoder(self.layers)

    def encode_reference(self, input: torch.Tensor, ilens: torch.Tensor) -> torch.Tensor:
        """Return the embedding ``(batch, frame, channel)`` by the codec's own encoder."""
        return super().forward(input, ilens)[0]

    def forward(
        self, input: torch.Tensor, ilens: torch.Tensor, fs: int | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return ``(enhanced embedding (batch, frame, channel), frame_lengths (batch,))``.

        Args:
            input: ``(batch, sample)`` at the codec's rate.
            ilens: ``(batch,)`` samples.
            fs: sample rate, Hz; if given, it must be that of the codec.

        Raises:
            ValueError: the input is an embedding, or the sample rate is not that of the codec.
        """
        if input.dim() != 2:
            raise ValueError("the denoising encoder takes waveforms; embeddings were given")
        return self._codec_at(fs, input.device).encode_with(self.layers, input, ilens)
