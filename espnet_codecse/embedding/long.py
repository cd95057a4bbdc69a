"""Encode recordings that are too long for a batch, in memory that does not grow with their length."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from espnet_codecse.codec.streaming import FramesOfCodes, FramesOfWaveform
from espnet_codecse.embedding.parts import SourceFile
from espnet_codecse.errors import UserError
from espnet_codecse.recording.reader import RecordingReader

STEP = 1500  # frames that are computed at once


class SpooledMatrix:
    """A float32 matrix ``(frame, channel)`` that is collected in a temporary file, since an ark begins with its range.

    Args:
        folder: folder of the file, which has no name and vanishes with the process.
        num_channels: channels.

    Attributes:
        shape: ``(frames, channels)`` so far.
        smallest, largest: float32 extremes so far.
        finite: whether all values are.
    """

    dtype, ndim = np.dtype(np.float32), 2

    def __init__(self, folder: Path, num_channels: int):
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed when the matrix is written
        self.shape = (0, num_channels)
        self.smallest, self.largest, self.finite = np.float32(np.inf), np.float32(-np.inf), True

    def append(self, frames: np.ndarray) -> None:
        """Append ``(frame, channel)``."""
        frames = frames.astype(np.float32, copy=False)
        self._file.write(frames.tobytes())
        self.shape = (self.shape[0] + len(frames), self.shape[1])
        self.finite = self.finite and bool(np.isfinite(frames).all())
        self.smallest, self.largest = min(self.smallest, frames.min()), max(self.largest, frames.max())

    def __len__(self) -> int:
        return self.shape[0]

    def blocks(self) -> Iterator[np.ndarray]:
        """Yield the whole matrix in consecutive blocks ``(frame, channel)``, once; the file is closed at the end."""
        self._file.seek(0)
        with self._file:
            while block := self._file.read(4 * self.shape[1] * STEP):
                yield np.frombuffer(block, np.float32).reshape(-1, self.shape[1])


def encodes_long(codec: Any) -> bool:
    """Return whether an encoder computes frames from a known number of neighbours."""
    return getattr(codec, "encode_context", None) is not None


def encode_long(
    codec: Any, recording: SourceFile, layer: str, num_codebooks: int | None, folder: Path
) -> np.ndarray | SpooledMatrix:
    """Encode one recording of any length; see :func:`espnet_codecse.embedding.extract.encode_batch`.

    Args:
        codec: a codec for which :func:`encodes_long` is true.
        recording: one channel.
        layer: ``continuous``, ``quantized`` or ``codes``.
        num_codebooks: number of the codec's first codebooks; None: all.
        folder: existing folder for a temporary file.

    Returns:
        The matrix ``(frame, channel)``, or codes ``(codebook, frame)`` int32, which are small.

    Raises:
        UserError: unreadable, empty, or more than one channel.
    """
    with RecordingReader(Path(recording.path), codec.sample_rate) as reader, torch.inference_mode():
        if reader.num_channels != 1:
            raise UserError(f"{recording.path}: has {reader.num_channels} channels; write a single channel (stage 2)")
        num_frames = codec.num_frames(reader.num_output)
        frames = FramesOfWaveform(codec, reader.read, reader.num_output, STEP)
        if layer == "continuous":
            return _collect(frames, num_frames, codec, folder)
        pieces = []
        for start in range(0, num_frames, STEP):
            embedding = frames.read(start, min(STEP, num_frames - start))
            codes = codec.quantize(embedding, num_codebooks=num_codebooks)[1][0]
            pieces.append(codes.to(torch.int32).cpu().numpy())
        stored = np.concatenate(pieces, axis=1)
        if layer == "codes":
            return stored

        def read(start: int, count: int) -> np.ndarray:
            return stored[None, :, start : start + count].astype(np.int64)

        return _collect(FramesOfCodes(codec, read, num_frames, STEP), num_frames, codec, folder)


def _collect(frames: FramesOfWaveform | FramesOfCodes, num_frames: int, codec: Any, folder: Path) -> SpooledMatrix:
    matrix = SpooledMatrix(folder, codec.dim)
    for start in range(0, num_frames, STEP):
        matrix.append(frames.read(start, min(STEP, num_frames - start))[0].cpu().numpy())
    return matrix
