"""Streams of a codec whose encoder enhances: samples to clean codes, or to clean samples through the decoder."""

from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from espnet_codecse.codec import AbsCodec, load_codec
from espnet_codecse.codec.abs_codec import StreamingCoder
from espnet_codecse.codec.resolve import check_named_codec, public_name
from espnet_codecse.codec.streaming import device_of
from espnet_codecse.errors import UserError
from espnet_codecse.inference.abs_enhancer import with_finite
from espnet_codecse.onnx_step import OnnxStep, export_step, not_a_graph

INPUT, OUTPUT = "speech", "embedding"
METADATA = ("codec", "fingerprint")


class FrameEncoder(Protocol):
    """Encodes frames and keeps its state between calls."""

    def __call__(self, samples: np.ndarray) -> torch.Tensor:
        """Return the embedding ``(1, frame, channel)`` of whole frames ``(sample,)``, which follow those before."""

    def reset(self) -> None:
        """Start a new recording."""


class TorchEncoder:
    """Run the encoder of a codec with PyTorch.

    Args:
        codec: a causal codec.

    Raises:
        UserError: the codec is not causal.
    """

    def __init__(self, codec: AbsCodec):
        self._encoder, self._device = codec.streaming_coders()[0], device_of(codec)
        self.reset()

    def reset(self) -> None:
        """See :class:`FrameEncoder`."""
        self._state = self._encoder.silent_state()

    def __call__(self, samples: np.ndarray) -> torch.Tensor:
        """See :class:`FrameEncoder`."""
        embedding, self._state = self._encoder(torch.from_numpy(samples)[None, None].to(self._device), self._state)
        return embedding.transpose(1, 2)


class OnnxEncoder:
    """Run a graph of :func:`export_encoder` with onnxruntime.

    Args:
        graph: the graph.
        codec: folder of its codec; None: the graph's name of it.

    Attributes:
        codec: the codec, for quantiser and decoder.

    Raises:
        UserError: it is not such a graph, or its codec is missing or has another fingerprint.
    """

    def __init__(self, graph: OnnxStep, codec: str | None = None):
        self._step = graph
        try:
            name, fingerprint = (self._step.metadata[key] for key in METADATA)
        except KeyError as error:
            raise not_a_graph(graph.path, error) from None
        if codec is None:
            check_named_codec(name)
        self.codec = load_codec(codec or name)
        if self.codec.fingerprint != fingerprint:
            raise UserError(
                f"--codec {self.codec.name}: its fingerprint is {self.codec.fingerprint}, but {graph.path} was made "
                f"with {fingerprint}; use that codec"
            )
        self.reset = self._step.reset

    def __call__(self, samples: np.ndarray) -> torch.Tensor:
        """See :class:`FrameEncoder`."""
        frames = samples.reshape(-1, 1, 1, self.codec.hop)
        return torch.from_numpy(np.concatenate([self._step(frame)[0] for frame in frames], axis=2)).transpose(1, 2)


def is_encoder(graph: OnnxStep) -> bool:
    """Return whether a graph was written by :func:`export_encoder`."""
    return METADATA[0] in graph.metadata


class _Step(torch.nn.Module):
    def __init__(self, encoder: StreamingCoder):
        super().__init__()
        self.encoder = encoder

    def forward(self, speech: torch.Tensor, *state: torch.Tensor):
        embedding, following = self.encoder(speech, list(state))
        return (embedding, *following)


def export_encoder(codec: AbsCodec, path: Path) -> None:
    """Write the encoder as a graph of one frame.

    The input is ``speech (1, 1, hop)``, the output ``embedding (1, channel, 1)``; see
    :mod:`espnet_codecse.onnx_step` for the state. The metadata name the codec that quantises and decodes.

    Raises:
        UserError: the codec is not causal, or the exporter is not installed.
    """
    encoder = codec.streaming_coders()[0]
    example = (INPUT, torch.zeros(1, 1, codec.hop))
    metadata = dict(zip(METADATA, (public_name(codec.name), codec.fingerprint)))
    export_step(_Step(encoder), example, encoder.silent_state(), [OUTPUT], metadata, path)


class CodecStream:
    """Encode, quantise and decode one stream; see :class:`espnet_codecse.inference.abs_enhancer.Stream`.

    Either take samples from :meth:`process` and :meth:`flush`, or codes from :meth:`encode` and :meth:`flush_codes`.

    Args:
        codec: a causal codec; its encoder may be one that enhances.
        quantized: decode the quantised embedding, as a receiver does; otherwise the continuous one.
        num_codebooks: number of the codec's first codebooks; None: all.
        encoder: runs the encoder; default: with PyTorch.

    Raises:
        UserError: the codec is not causal.

    Attributes:
        hop: samples per frame.
        latency_samples: largest number of samples that must follow a sample before it is returned: the hop.
        num_samples: number of samples so far.
        num_not_finite: how many of them were NaN or infinite; they are replaced by silence.
    """

    def __init__(
        self,
        codec: AbsCodec,
        quantized: bool = False,
        num_codebooks: int | None = None,
        encoder: FrameEncoder | None = None,
    ):
        self.codec, self.quantized, self.num_codebooks = codec, quantized, num_codebooks
        self._encoder = encoder or TorchEncoder(codec)
        self._decoder = codec.streaming_coders()[1]
        self.hop = self.latency_samples = codec.hop
        self.num_not_finite = self.num_samples = 0
        self.reset()

    def reset(self) -> None:
        """Start a new recording."""
        self._encoder.reset()
        self._state = self._decoder.silent_state()
        self._waiting = np.zeros(0, np.float32)  # samples of a frame that is not complete

    def process(self, samples: np.ndarray) -> np.ndarray:
        """Take the next samples ``(sample,)`` and return those that are final, ``(sample,)`` float32."""
        self.num_samples += len(samples)
        return self._decoded(self._embedding(samples))

    def flush(self) -> np.ndarray:
        """Return the remaining samples, so that the output is as long as the input, and start a new recording."""
        num_left = len(self._waiting)
        rest = self._decoded(self._embedding(self._silence()))[:num_left]
        self.reset()
        return rest

    def encode(self, samples: np.ndarray) -> np.ndarray:
        """Take the next samples ``(sample,)`` and return the codes ``(codebook, frame)`` of completed frames."""
        self.num_samples += len(samples)
        return self._codes(self._embedding(samples))

    def flush_codes(self) -> np.ndarray:
        """Return the codes ``(codebook, frame)`` of the last, incomplete frame, and start a new recording."""
        codes = self._codes(self._embedding(self._silence()))
        self.reset()
        return codes

    def _silence(self) -> np.ndarray:
        """Return the samples that complete the last frame."""
        return np.zeros(-len(self._waiting) % self.codec.hop, np.float32)

    @torch.inference_mode()
    def _embedding(self, samples: np.ndarray) -> torch.Tensor:
        """Return the embedding ``(1, frame, channel)`` of the frames that ``samples`` complete."""
        samples, num_not_finite = with_finite(samples)
        self.num_not_finite += num_not_finite
        samples = np.concatenate([self._waiting, samples])
        end = len(samples) // self.codec.hop * self.codec.hop
        self._waiting = samples[end:]
        if not end:
            return torch.zeros(1, 0, self.codec.dim, device=device_of(self.codec))
        return self._encoder(samples[:end])

    @torch.inference_mode()
    def _codes(self, embedding: torch.Tensor) -> np.ndarray:
        """Return the codes ``(codebook, frame)`` of ``embedding (1, frame, channel)``."""
        return self.codec.quantize(embedding, num_codebooks=self.num_codebooks)[1][0].cpu().numpy()

    @torch.inference_mode()
    def _decoded(self, embedding: torch.Tensor) -> np.ndarray:
        """Return the waveform ``(sample,)`` of ``embedding (1, frame, channel)``."""
        if not embedding.shape[1]:
            return np.zeros(0, np.float32)
        if self.quantized:
            embedding = self.codec.quantize(embedding, num_codebooks=self.num_codebooks)[0]
        speech, self._state = self._decoder(embedding.transpose(1, 2), self._state)
        return speech[0, 0].cpu().numpy()
