"""Base of convolutional codecs: lengths, silence after the end, chunks, freezing and fingerprint."""

import copy
import hashlib
import json
import math
from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any

import torch

from espnet_codecse.codec.abs_codec import AbsCodec
from espnet_codecse.codec.chunking import Segment, group_size, reach_in_samples, run_chunked, split_at_recurrence
from espnet_codecse.length_mask import length_mask


def fingerprint_of(configuration: Mapping[str, Any], weights: Mapping[str, torch.Tensor]) -> str:
    """Return 16 hexadecimal digits that identify a configuration and its weights."""
    digest = hashlib.sha256(json.dumps(configuration, sort_keys=True, default=str).encode())
    for key in sorted(weights):
        tensor = weights[key].detach().cpu().contiguous()
        digest.update(f"{key} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


class ConvCodec(AbsCodec):
    """A codec that consists of two lists of layers, convolutions and LSTMs, and a quantiser.

    A subclass sets the attributes of the contract that do not follow from the layers. At the end of its constructor, it
    passes the two lists to ``_freeze``. It implements ``_quantize`` and ``_dequantize`` on ``(batch, channel, frame)``.
    """

    # 15 s at 50 Hz limit the memory of the layers at the sample rate. With four times as many frames, decoding with the
    # small codec takes 1.5 times as long on a CPU.
    chunk_frames: int = 750
    dequantize_context: int = 0  # most quantisers work frame by frame

    def _freeze(self, encoder: list[torch.nn.Module], decoder: list[torch.nn.Module]) -> None:
        """Set the layers of both coders, compute their reach, and freeze all weights."""
        self._encoder = split_at_recurrence(encoder)
        self._decoder = split_at_recurrence(decoder)
        self._encoder_context = math.ceil(reach_in_samples(encoder, 1) / self.hop) + 1
        self._decoder_context = math.ceil(reach_in_samples(decoder, self.hop) / self.hop) + 1
        self.eval()
        for parameter in self.parameters():
            parameter.requires_grad_(False)
        with torch.no_grad():
            middle = 2 * self._encoder_context
            silence = torch.zeros(1, 1, 2 * middle * self.hop)
            embedding = self._run(self._encoder, silence, self.hop, 1, self._encoder_context)
        self.register_buffer("_silence", embedding[0, :, middle].clone(), persistent=False)
        self.encode_context = None if _is_recurrent(self._encoder) else self._encoder_context
        self.decode_context = None if _is_recurrent(self._decoder) else self._decoder_context
        self.num_codebooks = self.quantize(self._silence[None, None])[1].shape[1]

    def train(self, mode: bool = True) -> "ConvCodec":
        """Stay in evaluation mode, because a frozen codec must not change when its model is trained."""
        return super().train(False)

    def num_frames(self, num_samples: int) -> int:
        """Return the number of frames of a signal; every sample belongs to a frame."""
        return -(-int(num_samples) // self.hop)

    def _run(self, segments, units: torch.Tensor, units_in: int, units_out: int, context: int) -> torch.Tensor:
        """Run the segments of one coder: convolutions in chunks and, on a CPU, in groups of items."""
        group = group_size(units, math.ceil(units.shape[-1] / units_in), self.chunk_frames)
        widest = max(units_in, units_out)
        for index, (recurrent, layers) in enumerate(segments):
            function = torch.nn.Sequential(*layers)
            if recurrent:
                units = function(units)
                continue
            # Only the segment next to the waveform changes the rate. Segments next to an LSTM keep the frame rate.
            changes = index == (0 if units_in == widest else len(segments) - 1)
            before, after = (units_in, units_out) if changes else (1, 1)
            pieces = [
                run_chunked(function, part, before, after, self.chunk_frames, context) for part in units.split(group)
            ]
            units = torch.cat(pieces)
        return units

    @torch.no_grad()
    def encode(self, speech: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """See :meth:`AbsCodec.encode`."""
        return self._encode(self._encoder, speech, lengths)

    def encoder_copy(self) -> torch.nn.ModuleList:
        """See :meth:`AbsCodec.encoder_copy`."""
        layers = torch.nn.ModuleList(copy.deepcopy(layer) for _, segment in self._encoder for layer in segment)
        for parameter in layers.parameters():
            parameter.requires_grad_(True)
        return layers

    def encode_with(
        self, layers: Iterable[torch.nn.Module], speech: torch.Tensor, lengths: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """See :meth:`AbsCodec.encode_with`."""
        return self._encode(split_at_recurrence(layers), speech, lengths)

    def with_encoder(self, layers: Iterable[torch.nn.Module]) -> "ConvCodec":
        """See :meth:`AbsCodec.with_encoder`."""
        codec = copy.copy(self)
        codec._encoder = split_at_recurrence(layers)
        return codec

    def _encode(
        self, encoder: list[Segment], speech: torch.Tensor, lengths: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        # On the device of the lengths: in training, that is the host, which then need not wait for another device.
        frame_lengths = torch.tensor([self.num_frames(n) for n in lengths.tolist()], device=lengths.device)
        num_frames = int(frame_lengths.max())
        # Pad with zeros up to the encoder's reach, so that no valid frame depends on the length of the batch.
        target = (num_frames + self._encoder_context) * self.hop
        speech = speech[:, :target] * _valid(lengths, min(speech.shape[1], target), speech)
        speech = torch.nn.functional.pad(speech, (0, target - speech.shape[1]))
        embedding = self._run(encoder, speech.unsqueeze(1), self.hop, 1, self._encoder_context)
        embedding = embedding[..., :num_frames].transpose(1, 2)
        return embedding * _valid(frame_lengths, num_frames, embedding).unsqueeze(-1), frame_lengths

    def decode(
        self, embedding: torch.Tensor, frame_lengths: torch.Tensor, num_samples: int, bandwidth: int | None = None
    ) -> torch.Tensor:
        """See :meth:`AbsCodec.decode`."""
        num_frames = embedding.shape[1]
        valid = _valid(frame_lengths, num_frames, embedding).unsqueeze(-1)
        embedding = torch.where(valid > 0, embedding, self._silence.to(embedding))
        tail = max(num_frames, self.num_frames(num_samples)) - num_frames + self._decoder_context
        silence = self._silence.to(embedding).expand(embedding.shape[0], tail, -1)
        embedding = torch.cat([embedding, silence], dim=1)
        decoder = self._decoder_up_to(bandwidth)
        speech = self._run(decoder, embedding.transpose(1, 2), 1, self.hop, self._decoder_context)
        return speech[:, 0, :num_samples]

    def _decoder_up_to(self, bandwidth: int | None) -> list[Segment]:
        """Return the segments of the decoder; a codec that decodes high bands separately can leave them out."""
        return self._decoder

    @torch.no_grad()
    def quantize(
        self, embedding: torch.Tensor, frame_lengths: torch.Tensor | None = None, num_codebooks: int | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """See :meth:`AbsCodec.quantize`."""
        quantized, codes = self._quantize(embedding.transpose(1, 2))
        if num_codebooks is not None and num_codebooks < codes.shape[1]:
            codes = codes[:, :num_codebooks]
            quantized = self._dequantize(codes)
        if frame_lengths is not None and self.dequantize_context:
            for item, length in enumerate(frame_lengths.tolist()):
                if length < codes.shape[2]:
                    quantized[item, :, :length] = self._dequantize(codes[item : item + 1, :, :length])[0]
        return quantized.transpose(1, 2), codes

    @torch.no_grad()
    def dequantize(self, codes: torch.Tensor) -> torch.Tensor:
        """See :meth:`AbsCodec.dequantize`."""
        return self._dequantize(codes).transpose(1, 2)

    @abstractmethod
    def _quantize(self, embedding: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Map ``(batch, channel, frame)`` to the quantised embedding and ``codes (batch, codebook, frame)``."""

    @abstractmethod
    def _dequantize(self, codes: torch.Tensor) -> torch.Tensor:
        """Map ``codes (batch, codebook, frame)`` to ``(batch, channel, frame)``."""

    def description(self) -> dict[str, Any]:
        """Return the identity of the codec, which is stored in every file made with it."""
        keys = ("name", "fingerprint", "sample_rate", "hop", "dim", "activation")
        return {key: getattr(self, key) for key in keys}


def _is_recurrent(segments: list[Segment]) -> bool:
    return any(recurrent for recurrent, _ in segments)


def _valid(lengths: torch.Tensor, size: int, like: torch.Tensor) -> torch.Tensor:
    """Return a mask ``(batch, size)`` with ones before each length."""
    return length_mask(lengths, size, like.device).to(like.dtype)
