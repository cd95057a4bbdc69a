"""Bytes of a file by position, and parts of a file and bytes of our own read as if they were one file."""

import io
import os
import re
from bisect import bisect_right
from collections.abc import Sequence

from espnet_codecse.fileio import PathLike

Part = bytes | tuple[int, int]
_BLOCK = 1 << 16  # bytes read at once


class FileBytes:
    """The bytes of a file, indexed by slices as ``bytes`` are.

    A memory map would end the process if the file was cut by another one.
    """

    def __init__(self, path: PathLike):
        self._file = open(path, "rb", buffering=0)  # noqa: SIM115 - closed by __exit__
        self._size = os.fstat(self._file.fileno()).st_size
        self._start, self._block = 0, b""

    def __enter__(self) -> "FileBytes":
        return self

    def __exit__(self, *_) -> None:
        self._file.close()

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, part: slice) -> bytes:
        start, end = part.start, min(part.stop, self._size)
        if not self._start <= start <= end <= self._start + len(self._block):
            self._file.seek(start)
            self._start, self._block = start, self._file.read(max(_BLOCK, end - start))
        return self._block[start - self._start : end - self._start]

    def search(self, pattern: re.Pattern[bytes], position: int) -> int:
        """Return where a pattern of at most four bytes is found next; the length of the file if it is not."""
        while position < self._size:
            block = self[position : position + _BLOCK]
            if found := pattern.search(block):
                return position + found.start()
            if position + len(block) >= self._size:
                break
            position += max(1, len(block) - 3)
        return self._size


class ByteRanges(io.RawIOBase):
    """A read-only file made of parts.

    Args:
        path: the file that ranges refer to.
        parts: in order, either bytes or ``(first byte, byte after the last)`` of the file.
    """

    def __init__(self, path: PathLike, parts: Sequence[Part]):
        self._file = open(path, "rb")  # noqa: SIM115 - closed by close
        self._parts = list(parts)
        self._starts = [0]
        for part in self._parts:
            self._starts.append(self._starts[-1] + (len(part) if isinstance(part, bytes) else part[1] - part[0]))
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._starts[-1]}[whence]
        self._position = max(0, base + offset)
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer) -> int:
        view, done = memoryview(buffer).cast("B"), 0
        while done < len(view) and self._position < self._starts[-1]:
            index = bisect_right(self._starts, self._position) - 1
            offset = self._position - self._starts[index]
            count = min(len(view) - done, self._starts[index + 1] - self._position)
            part = self._parts[index]
            if isinstance(part, bytes):
                data = part[offset : offset + count]
            else:
                self._file.seek(part[0] + offset)
                data = self._file.read(count)
            if not data:  # the file became shorter
                break
            view[done : done + len(data)] = data
            done += len(data)
            self._position += len(data)
        return done

    def close(self) -> None:
        self._file.close()
        super().close()
