"""A frozen codec encoder as the encoder of ESPnet's enhancement task."""

import torch

from espnet_codecse.codec import AbsCodec, load_codec
from espnet_codecse.errors import UserError
from espnet_codecse.espnet_base import AbsEncoder


class CodecEncoder(AbsEncoder):
    """Encode waveforms; pass through embeddings that were read from disk.

    The codec is not a sub-module, because its frozen weights belong neither in checkpoints nor in the optimiser.

    Args:
        codec: codec, as given to ``--codec``.
        fingerprint: fingerprint of the codec that the model was trained with; empty: accept any codec.

    Raises:
        UserError: the codec is not the one that the model was trained with.
    """

    def __init__(self, codec: str, fingerprint: str = ""):
        super().__init__()
        self.codec_name = codec
        loaded = self.codec("cpu")
        if fingerprint not in ("", loaded.fingerprint):
            raise UserError(
                f"--codec {codec}: its fingerprint is {loaded.fingerprint}, but the model was trained with "
                f"{fingerprint}; use the codec of the training"
            )
        self._output_dim = loaded.dim

    @property
    def output_dim(self) -> int:
        """Number of channels of the embedding."""
        return self._output_dim

    def codec(self, device) -> AbsCodec:
        """Return the codec on ``device``; it is loaded once per process."""
        return load_codec(self.codec_name, str(device))

    def trained_codec(self, device, dtype: str = "float32") -> AbsCodec:
        """Return the codec of a trained model, with the encoder that the model uses; see :func:`load_codec`."""
        return load_codec(self.codec_name, str(device), dtype)

    def encode_reference(self, input: torch.Tensor, ilens: torch.Tensor) -> torch.Tensor:
        """Return the embedding ``(batch, frame, channel)`` that an estimate should have; see :meth:`forward`."""
        return self.forward(input, ilens)[0]

    def forward(
        self, input: torch.Tensor, ilens: torch.Tensor, fs: int | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return ``(embedding (batch, frame, channel), frame_lengths (batch,))``.

        Args:
            input: ``(batch, sample)`` waveforms at the codec's rate, or ``(batch, frame, channel)`` embeddings.
            ilens: ``(batch,)`` samples or frames.
            fs: sample rate, Hz; if given, it must be that of the codec.

        Raises:
            ValueError: the sample rate or the number of channels is not that of the codec.
        """
        if input.dim() == 3:
            if input.shape[-1] != self._output_dim:
                raise ValueError(f"embeddings of {input.shape[-1]} channels, but the codec has {self._output_dim}")
            return input, ilens
        return self._codec_at(fs, input.device).encode(input, ilens)

    def _codec_at(self, fs: int | None, device: torch.device) -> AbsCodec:
        """Return the codec; see :meth:`codec`.

        Raises:
            ValueError: the sample rate is not that of the codec.
        """
        codec = self.codec(device)
        if fs is not None and fs != codec.sample_rate:
            raise ValueError(f"input at {fs} Hz, but the codec {codec.name} works at {codec.sample_rate} Hz")
        return codec
