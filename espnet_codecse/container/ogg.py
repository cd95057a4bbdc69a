"""Streams of an Ogg file that follow each other; a decoder that does not expect them stops after the first."""

import re
from functools import lru_cache
from pathlib import Path

from espnet_codecse.container.byte_ranges import FileBytes
from espnet_codecse.fileio import PathLike

_MAGIC, _HEADER = re.compile(b"OggS"), 27
_FIRST_PAGE = 2  # flag of a page that begins a stream


def find_links(path: PathLike) -> list[tuple[int, int]]:
    """Return ``(first byte, byte after the last)`` of each part of a chained file; none for files of another kind."""
    status = Path(path).stat()
    return _find_links(str(path), status.st_ino, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=16)  # a recording is opened several times in a row
def _find_links(path: str, _inode: int, size: int, _changed: int) -> list[tuple[int, int]]:
    with FileBytes(path) as data:
        if data[0:4] != b"OggS":
            return []
        starts: list[int] = []
        position, in_heads = 0, False
        while len(page := data[position : position + _HEADER]) == _HEADER:
            begins = bool(page[5] & _FIRST_PAGE)
            # The streams of a group, such as sound and pictures, begin together.
            if begins and not in_heads:
                starts.append(position)
            in_heads = begins
            body = position + _HEADER + page[26]
            # Searched for by its mark: bytes may be missing or lie between two pages.
            position = data.search(_MAGIC, body + sum(data[position + _HEADER : body]))
        return list(zip(starts, [*starts[1:], size]))
