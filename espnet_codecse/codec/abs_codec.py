"""The contract of a frozen neural audio codec."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Protocol

import torch

from espnet_codecse.errors import UserError


class StreamingCoder(Protocol):
    """An encoder or decoder that processes a signal piece by piece, whole frames at a time."""

    def silent_state(self, batch_size: int = 1) -> list[torch.Tensor]:
        """Return the state before the first piece."""

    def __call__(self, units: torch.Tensor, state: list[torch.Tensor]) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Return the outputs of ``units (batch, channel, time)`` and the next state."""


class AbsCodec(ABC, torch.nn.Module):
    """A frozen codec: its weights get no gradients, but gradients flow to the inputs of ``decode`` and ``quantize``.

    A signal is assumed to continue in silence after its end. This gives three invariants: a batch gives the same result
    as its items one by one, chunks give the same result as the whole signal, and every output has exactly the requested
    number of samples.
    """

    name: str  # value of ``--codec``
    sample_rate: int  # Hz
    hop: int  # samples per frame
    dim: int  # number of channels of the embedding
    activation: str  # last activation of the encoder: "snake", "elu" or "leaky_relu"; a mask gate must match it
    fingerprint: str  # hash of configuration and weights
    product_dtype: torch.dtype = torch.float32  # of matrix products; inputs and outputs are float32
    num_codebooks: int
    codebook_size: int  # number of entries per codebook
    # Number of frames on each side that an output depends on; None: the whole past, as with an LSTM.
    encode_context: int | None
    decode_context: int | None
    dequantize_context: int

    @abstractmethod
    def num_frames(self, num_samples: int) -> int:
        """Return the number of frames of a signal of ``num_samples`` samples."""

    @abstractmethod
    def encode(self, speech: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode speech to continuous embeddings, before the quantiser.

        Args:
            speech: ``(batch, sample)`` at ``sample_rate``, zero after each length.
            lengths: ``(batch,)`` samples.

        Returns:
            ``(embedding (batch, frame, channel), frame_lengths (batch,))``; embeddings are zero after each length. The
            frame lengths are on the device of ``lengths``.
        """

    @abstractmethod
    def encoder_copy(self) -> torch.nn.ModuleList:
        """Return a trainable copy of the encoder's layers, for :meth:`encode_with`."""

    @abstractmethod
    def encode_with(
        self, layers: Iterable[torch.nn.Module], speech: torch.Tensor, lengths: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode with ``layers`` instead of the encoder's own, as :meth:`encode` does; they get gradients."""

    @abstractmethod
    def with_encoder(self, layers: Iterable[torch.nn.Module]) -> "AbsCodec":
        """Return this codec with another encoder; its identity stays, because the same decoder reads its codes.

        Args:
            layers: a trained :meth:`encoder_copy`.
        """

    @abstractmethod
    def quantize(
        self, embedding: torch.Tensor, frame_lengths: torch.Tensor | None = None, num_codebooks: int | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return ``(quantised embedding (batch, frame, channel), codes (batch, codebook, frame) int64)``.

        If ``frame_lengths (batch,)`` is given, frames after the end of an item do not affect it. Only the first
        ``num_codebooks`` are used (default: all); each codebook codes the residual of the previous ones.
        """

    @abstractmethod
    def dequantize(self, codes: torch.Tensor) -> torch.Tensor:
        """Return the quantised embedding ``(batch, frame, channel)`` of ``codes (batch, codebook, frame)``.

        The codes may be only those of the first codebooks.
        """

    @abstractmethod
    def decode(
        self, embedding: torch.Tensor, frame_lengths: torch.Tensor, num_samples: int, bandwidth: int | None = None
    ) -> torch.Tensor:
        """Decode ``embedding (batch, frame, channel)`` to ``speech (batch, num_samples)``.

        The band above ``bandwidth`` (Hz) is not needed, and a codec may leave it out. The band below then differs only
        by the leakage from the band above.
        """

    def streaming_coders(self) -> tuple[StreamingCoder, StreamingCoder]:
        """Return the encoder, ``(batch, 1, sample)`` to ``(batch, channel, frame)``, and the decoder, for streams.

        Raises:
            UserError: the codec is not causal.
        """
        raise UserError(f"--codec {self.name}: is not causal and cannot stream; lyra_v2 can")
