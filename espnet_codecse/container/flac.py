"""The length that the header of a flac file gives; an encoder that writes into a pipe leaves it at zero."""

import os

from espnet_codecse.container.byte_ranges import Part
from espnet_codecse.fileio import PathLike

_END = 26  # of the marker, the head of the first block, and the field with the length
LARGEST = 2**36 - 1


def has_no_length(path: PathLike) -> bool:
    """Whether this is a flac file whose header gives no number of samples."""
    with open(path, "rb") as stream:
        head = stream.read(_END)
    return head[:4] == b"fLaC" and len(head) == _END and not head[21] & 0x0F and not any(head[22:])


def parts_with_length(path: PathLike, num_samples: int) -> list[Part]:
    """Return the file with ``num_samples`` in its header."""
    with open(path, "rb") as stream:
        head = stream.read(_END)
    length = num_samples.to_bytes(5, "big")
    return [head[:21] + bytes([head[21] & 0xF0 | length[0]]) + length[1:], (_END, os.path.getsize(path))]
