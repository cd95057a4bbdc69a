"""Code recordings of any length in bounded memory, with the same result as coding them at once.

A frame of a convolutional codec depends on a known number of neighbours. A chunk is coded with this number of frames on
each side, which are then cropped. A codec with an LSTM depends on the whole past. It codes the whole recording at once,
so that its memory grows with the length.
"""

import itertools
from abc import abstractmethod
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from espnet_codecse.codec.abs_codec import AbsCodec
from espnet_codecse.codec.chunking import chunk_bounds

Read = Callable[[int, int], np.ndarray]  # (start, count) to (channel, count, ...); start never decreases


class _Frames:
    """Embeddings of a recording, read forwards; each chunk is computed with the neighbours that it depends on."""

    def __init__(self, codec: AbsCodec, num_frames: int, chunk_frames: int, context: int | None):
        self._codec, self.num_frames = codec, num_frames
        self._chunks = chunk_bounds(num_frames, chunk_frames, context)
        self._buffer = ForwardBuffer(self._produce, axis=1)

    def read(self, start: int, count: int) -> torch.Tensor:
        """Return ``(channel, count, dim)``; ``start`` must not decrease between calls."""
        return self._buffer.read(start, count)

    def _produce(self) -> torch.Tensor | None:
        bounds = next(self._chunks, None)
        if bounds is None:
            return None
        start, end, first, last = bounds
        return self._make(first, last)[:, start - first : end - first]

    @abstractmethod
    def _make(self, first: int, last: int) -> torch.Tensor:
        """Return frames ``first`` to ``last``, ``(channel, frame, dim)``, computed without other frames."""


class FramesOfWaveform(_Frames):
    """Embeddings of a recording, read forwards.

    Args:
        codec: the codec.
        read: returns samples ``(channel, count)`` at the codec's rate.
        num_samples: number of samples of the recording, at the codec's rate.
        chunk_frames: largest number of frames that are coded at once.
    """

    def __init__(self, codec: AbsCodec, read: Read, num_samples: int, chunk_frames: int = 1500):
        super().__init__(codec, codec.num_frames(num_samples), chunk_frames, codec.encode_context)
        self._read, self._num_samples = read, num_samples

    def _make(self, first: int, last: int) -> torch.Tensor:
        hop = self._codec.hop
        count = min(last * hop, self._num_samples) - first * hop
        speech = torch.from_numpy(np.ascontiguousarray(self._read(first * hop, count))).to(device_of(self._codec))
        return self._codec.encode(speech, torch.full((len(speech),), count))[0]


class FramesOfCodes(_Frames):
    """Quantised embeddings of stored codes, read forwards.

    Args:
        codec: the codec of the codes.
        read: returns codes ``(channel, codebook, count)`` for ``(start, count)`` frames at any position.
        num_frames: number of frames of the recording.
        chunk_frames: largest number of frames that are looked up at once.
    """

    def __init__(self, codec: AbsCodec, read: Read, num_frames: int, chunk_frames: int = 1500):
        super().__init__(codec, num_frames, chunk_frames, codec.dequantize_context)
        self._read = read

    def _make(self, first: int, last: int) -> torch.Tensor:
        return self._codec.dequantize(torch.from_numpy(self._read(first, last - first)).to(device_of(self._codec)))


def decode_stream(
    codec: AbsCodec,
    read: Callable[[int, int], torch.Tensor],
    num_frames: int,
    num_samples: int,
    chunk_frames: int = 1500,
) -> Iterator[np.ndarray]:
    """Decode embeddings chunk by chunk.

    Args:
        codec: the codec.
        read: returns ``(channel, count, dim)`` for ``(start, count)`` frames; ``start`` never decreases.
        num_frames: number of frames of the recording.
        num_samples: number of samples of the recording, at the codec's rate.
        chunk_frames: largest number of frames that are decoded at once.

    Yields:
        Consecutive pieces ``(channel, sample) float32`` of the whole output.
    """
    for start, end, first, last in chunk_bounds(num_frames, chunk_frames, codec.decode_context):
        embedding = read(first, last - first)
        lengths = torch.full((len(embedding),), last - first)
        # Only the last chunk includes the end, after which the codec assumes silence.
        stop = (last if last < num_frames else -(-num_samples // codec.hop)) * codec.hop
        count = min(stop, num_samples) - first * codec.hop
        with torch.no_grad():
            speech = codec.decode(embedding, lengths, count)
        keep_to = None if end == num_frames else (end - first) * codec.hop
        yield speech[:, (start - first) * codec.hop : keep_to].float().cpu().numpy()


class ForwardBuffer:
    """Buffer for forward reads of any length from a source that produces one piece after another.

    Args:
        produce: returns the next piece, or None at the end.
        axis: axis along which the pieces are concatenated.
    """

    def __init__(self, produce: Callable, axis: int):
        self._produce, self._axis = produce, axis
        self._pieces: list[Any] = []
        self._start, self._end = 0, 0  # units in the buffer: [start, end)

    def read(self, start: int, count: int):
        """Return units ``start`` to ``start + count``, fewer at the end; earlier units are dropped.

        Raises:
            ValueError: ``start`` is before that of an earlier call.
        """
        if start < self._start:
            raise ValueError(f"units from {start} were forgotten, {self._start} is the first that is left")
        while self._end < start + count:
            piece = self._produce()
            if piece is None:
                break
            self._pieces.append(piece)
            self._end += piece.shape[self._axis]
            self._forget(start)
        self._forget(start)
        if not self._pieces:
            raise ValueError(f"nothing from unit {start} on")
        first = self._pieces[0]
        joined = (torch.cat if torch.is_tensor(first) else np.concatenate)(self._pieces, self._axis)
        self._pieces = [joined]
        window = [slice(None)] * joined.ndim
        window[self._axis] = slice(start - self._start, start - self._start + count)
        return joined[tuple(window)]

    def _forget(self, start: int) -> None:
        """Drop the units before ``start``: whole pieces, then a part of the first one that is left."""
        while self._pieces and self._start + self._pieces[0].shape[self._axis] <= start:
            self._start += self._pieces.pop(0).shape[self._axis]
        if self._pieces and self._start < start:
            window = [slice(None)] * self._pieces[0].ndim
            window[self._axis] = slice(start - self._start, None)
            piece = self._pieces[0][tuple(window)]
            # Copy, because a view would keep the whole piece in memory.
            self._pieces[0] = piece.clone() if torch.is_tensor(piece) else piece.copy()
            self._start = start


def device_of(codec: AbsCodec) -> torch.device:
    """Return the device of the codec's weights; those of a codec that is fitted are buffers."""
    return next(itertools.chain(codec.parameters(), codec.buffers())).device
