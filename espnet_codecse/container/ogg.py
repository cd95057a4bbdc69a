"""Streams of an Ogg file that follow each other; a decoder that does not expect them stops after the first."""

import mmap
from functools import lru_cache
from pathlib import Path

from espnet_codecse.fileio import PathLike

_MAGIC, _HEADER = b"OggS", 27
_FIRST_PAGE = 2  # flag of a page that begins a stream


def find_links(path: PathLike) -> list[tuple[int, int]]:
    """Return ``(first byte, byte after the last)`` of each part of a chained file; none for files of another kind."""
    status = Path(path).stat()
    return _find_links(str(path), status.st_ino, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=16)  # a recording is opened several times in a row
def _find_links(path: str, _inode: int, size: int, _changed: int) -> list[tuple[int, int]]:
    if size < _HEADER:
        return []
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if data[:4] != _MAGIC:
            return []
        starts: list[int] = []
        position, in_heads = 0, False
        while 0 <= position <= size - _HEADER:
            begins = bool(data[position + 5] & _FIRST_PAGE)
            # The streams of a group, such as sound and pictures, begin together.
            if begins and not in_heads:
                starts.append(position)
            in_heads = begins
            num_segments = data[position + 26]
            body = sum(data[position + _HEADER : position + _HEADER + num_segments])
            # Found again by its mark: bytes may be missing or lie between two pages.
            position = data.find(_MAGIC, position + _HEADER + num_segments + body)
        return list(zip(starts, [*starts[1:], size]))
