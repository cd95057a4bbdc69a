"""The contract of a frozen neural audio codec."""

from abc import ABC, abstractmethod

import torch


class AbsCodec(ABC, torch.nn.Module):
    """A frozen codec: no gradient reaches its weights, but one flows through ``decode`` and ``quantize``' input.

    A signal is taken to continue in silence after its end. From this follow the invariants: a batch equals its
    items one by one, chunks equal the whole, and every output has exactly the number of samples asked for.
    """

    name: str  # what ``--codec`` was given
    sample_rate: int  # Hz
    hop: int  # samples per frame
    dim: int  # channels of the embedding
    activation: str  # "snake", "elu" or "leaky_relu": the last one of the encoder, which a mask gate must match
    fingerprint: str  # hash of configuration and weights
    num_codebooks: int
    codebook_size: int  # entries of each codebook
    # How many frames on either side an output depends on; None: on the whole past, as with an LSTM.
    encode_context: int | None
    decode_context: int | None
    dequantize_context: int

    @abstractmethod
    def num_frames(self, num_samples: int) -> int:
        """Return the number of frames of a signal of ``num_samples`` samples."""

    @abstractmethod
    def encode(self, speech: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode up to, not including, the quantiser.

        Args:
            speech: ``(batch, sample)`` at ``sample_rate``, zeros after each length.
            lengths: ``(batch,)`` samples.

        Returns:
            ``(embedding (batch, frame, channel), frame_lengths (batch,))``, zeros after each length.
        """

    @abstractmethod
    def quantize(
        self, embedding: torch.Tensor, frame_lengths: torch.Tensor | None = None, num_codebooks: int | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return ``(quantised embedding (batch, frame, channel), codes (batch, codebook, frame) int64)``.

        With ``frame_lengths (batch,)`` what lies after an item's length does not reach into it. The first
        ``num_codebooks`` are used, by default all: each codes what the earlier ones leave.
        """

    @abstractmethod
    def dequantize(self, codes: torch.Tensor) -> torch.Tensor:
        """Return the quantised embedding ``(batch, frame, channel)`` of ``codes (batch, codebook, frame)``.

        The codes may be those of the first codebooks alone.
        """

    @abstractmethod
    def decode(
        self, embedding: torch.Tensor, frame_lengths: torch.Tensor, num_samples: int, bandwidth: int | None = None
    ) -> torch.Tensor:
        """Decode ``embedding (batch, frame, channel)`` to ``speech (batch, num_samples)``.

        Above ``bandwidth`` (Hz) the output is not wanted, and need not be made; below it, it differs by no more than
        what leaks from the band above.
        """
