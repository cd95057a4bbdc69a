"""Matrices in Kaldi arks: one part written atomically, one matrix read with a clear error."""

import os
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np

from espnet_codecse.errors import UserError
from espnet_codecse.fileio import atomic_path, read_scp

_BINARY = b"\0B"  # what Kaldi's binary matrices and vectors begin with


class Matrix(Protocol):
    """A float32 matrix that is not in memory as a whole."""

    shape: tuple[int, int]
    dtype: np.dtype
    ndim: int
    smallest: np.float32
    largest: np.float32
    finite: bool

    def blocks(self) -> Iterator[np.ndarray]:
        """Yield the whole matrix in consecutive blocks ``(frame, channel)``."""


def write_ark(path: Path, items: Iterable[tuple[str, np.ndarray | Matrix]], compression: int | None) -> dict[str, int]:
    """Write ``(id, array)`` pairs to a temporary ark, sync it and rename it to ``path``.

    Args:
        path: the ark.
        items: float32 matrices ``(frame, channel)`` or int32 vectors; they may be computed one by one.
        compression: kaldiio's method, or None for the values as they are.

    Returns:
        ``{id: offset in bytes}`` as an scp gives it.

    Raises:
        UserError: the disk is full (nothing is left behind), or a matrix holds NaN or infinity.
    """
    from kaldiio.matio import write_array

    offsets: dict[str, int] = {}
    with atomic_path(path) as temporary, open(temporary, "wb") as stream:
        for key, array in items:
            finite = np.isfinite(array).all() if isinstance(array, np.ndarray) else array.finite
            if array.dtype == np.float32 and not finite:
                # One such value would spoil the range, and with it every value, of a compressed matrix.
                raise UserError(f"{key}: its embedding holds NaN or infinity; check the recording and the codec")
            stream.write(f"{key} ".encode())
            offsets[key] = stream.tell()
            if isinstance(array, np.ndarray):
                write_array(stream, array, compression_method=compression if array.ndim == 2 else None)
            else:
                _write_blocks(stream, array, compression)
    return offsets


def _write_blocks(stream: BinaryIO, matrix: Matrix, compression: int | None) -> None:
    """Write a matrix as ``kaldiio.matio.write_array`` writes it, block by block."""
    from kaldiio.compression_header import GlobalHeader

    stream.write(_BINARY)
    if compression is None:
        stream.write(b"FM " + b"".join(b"\4" + struct.pack("<i", number) for number in matrix.shape))
        stream.writelines(block.astype("<f4").tobytes() for block in matrix.blocks())
        return
    # The range of all values is that of these two.
    header = GlobalHeader.compute(np.array([[matrix.smallest], [matrix.largest]]), compression)
    header.rows, header.cols = matrix.shape
    header.write(stream)
    stream.writelines(header.float_to_uint(block).tobytes() for block in matrix.blocks())


def split_location(location: str) -> tuple[str, int] | None:
    """Return path and offset of ``path:offset``, or None if it is anything else, such as a command."""
    path, _, offset = location.rpartition(":")
    plain = path and "|" not in location and "\0" not in path and offset.isascii() and offset.isdigit()
    return (path, int(offset)) if plain and len(offset) < 16 else None


def check_arks(scp: Path) -> None:
    """Check that every entry of a list is a Kaldi matrix or vector in a file.

    ESPnet's reader would also run an entry that is a command, and unpickle one that is a pickle.

    Raises:
        UserError: an entry is something else; its id is named.
    """
    offsets: dict[str, list[tuple[int, str]]] = {}
    for key, location in read_scp(scp).items():
        place = split_location(location)
        if place is None:
            raise UserError(f"{scp}: '{key}' is '{location[:80]}', not a place in an ark; extract the embeddings again")
        offsets.setdefault(place[0], []).append((place[1], key))
    for path, places in offsets.items():
        try:
            with open(path, "rb", buffering=0) as stream:
                for start, key in sorted(places):
                    if os.pread(stream.fileno(), 2, start) != _BINARY:
                        raise UserError(
                            f"{scp}: '{key}' is no matrix at byte {start} of {path}; extract the embeddings again"
                        )
        except OSError as error:
            raise UserError(
                f"{path}: cannot be read ({error.strerror}); extract the embeddings again{_or_move(path)}"
            ) from None


def _or_move(path: str) -> str:
    """Return further advice for a relative path, which a list holds if it was extracted to a relative folder."""
    return "" if os.path.isabs(path) else ", or work in the folder in which they were extracted: the path is relative"


def read_ark(location: str) -> np.ndarray:
    """Read the array at ``path:offset``.

    Raises:
        UserError: the ark is missing, cut short or damaged.
    """
    from kaldiio.matio import read_kaldi

    place = split_location(location)
    if place is None:
        raise UserError(f"'{location[:80]}' is no place in an ark (path:offset); extract the embeddings again")
    path, offset = place
    try:
        with open(path, "rb") as stream:
            stream.seek(offset)
            if stream.read(2) != _BINARY:  # kaldiio would also unpickle or decode whatever else it finds
                raise ValueError("no matrix at this place")
            stream.seek(offset)
            return np.require(read_kaldi(stream), requirements=["C", "W"])  # torch warns of read-only arrays
    except FileNotFoundError:
        advice = f"extract the embeddings again, only what is missing is made{_or_move(path)}"
        raise UserError(f"{path}: no such ark; {advice}") from None
    except Exception as error:  # kaldiio raises whatever its parsing stumbles over
        raise UserError(
            f"{path}: cut short or damaged at byte {offset} ({type(error).__name__}); "
            "extract the embeddings again: the damaged part is made anew"
        ) from error
