"""The size of the samples that the header of an uncompressed container announces, and what the file holds.

Recorders write a size of zero, or the largest one, and correct it when they stop; into a pipe or when they are killed
they never do. A file that was copied in part announces more than it holds.
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

_MAX_CHUNKS = 4096
_RIFF_GUID = b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00"
_DATA_GUID = b"data\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a"


@dataclass
class DataSize:
    """Where the samples of a file lie.

    Attributes:
        start: first byte of the samples.
        announced: bytes of samples that the header gives; None if it leaves them open.
        available: bytes from ``start`` to the end of the file.
        fields: ``(position, struct format, bytes to add)`` of the fields of the header that give the size.
        num_samples: samples per channel that the header gives beside the bytes; 0 without.
        chunks: names of the chunks of the file, as far as they can be followed.
        mask: the channel mask of an extensible wav; 0 without.
        mask_position: its position; 0 without.
    """

    start: int
    announced: int | None
    available: int
    fields: list[tuple[int, str, int]] = field(default_factory=list)
    num_samples: int = 0
    chunks: list[str] = field(default_factory=list)
    mask: int = 0
    mask_position: int = 0

    @property
    def missing(self) -> int:
        """Bytes that the header announces but the file does not hold.

        Some writers count the header too; no more than its size is not missing.
        """
        missing = (self.announced or 0) - self.available
        return missing if missing > min(self.start, 4096) else 0

    def patches(self) -> list[tuple[int, bytes]]:
        """Return ``(position, bytes)`` that make the header announce all bytes up to the end of the file."""
        values = []
        for position, form, extra in self.fields:
            largest = 256 ** struct.calcsize(form) - 1 if form[-1].isupper() else 2**63 - 1
            values.append((position, struct.pack(form, min(self.available + extra, largest))))
        return values


def read_data_size(stream: BinaryIO, length: int) -> DataSize | None:
    """Return where the samples of an open file of ``length`` bytes lie; None for other kinds of files.

    Known are wav (RIFF, RIFX, RF64), w64, aiff, au, caf, NIST SPHERE and voc. IRCAM and PAF files have no
    size in their headers.
    """
    stream.seek(0)
    head = stream.read(24)
    readers: list[tuple[bool, Callable[[BinaryIO, int], DataSize | None]]] = [
        (head[:4] in (b"RIFF", b"RIFX", b"RF64") and head[8:12] == b"WAVE", _riff),
        (head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"), _aiff),
        (head[:16] == _RIFF_GUID, _w64),
        (head[:4] in (b".snd", b"dns."), _au),
        (head[:4] == b"caff", _caf),
        (head[:7] == b"NIST_1A", _nist),
        (head[:19] == b"Creative Voice File", _voc),
    ]
    reader = next((reader for matches, reader in readers if matches), None)
    if reader is None:
        return None
    try:
        return reader(stream, length)
    except (struct.error, ValueError, KeyError, OverflowError):  # a header that is no header: the decoder refuses it
        return None


def _unpack(stream: BinaryIO, position: int, form: str) -> int:
    stream.seek(position)
    return struct.unpack(form, stream.read(struct.calcsize(form)))[0]


def _chunks(stream: BinaryIO, position: int, length: int, order: str) -> Iterator[tuple[str, int, int]]:
    """Yield ``(name, first byte of the content, size)`` of the chunks from ``position`` on."""
    for _ in range(_MAX_CHUNKS):
        if position + 8 > length:
            return
        stream.seek(position)
        name, size = struct.unpack(f"{order}4sI", stream.read(8))
        if not all(32 <= byte < 127 for byte in name):
            return
        yield name.decode(), position + 8, size
        position += 8 + size + size % 2


def _is_empty(stream: BinaryIO, position: int, length: int, order: str) -> bool:
    """Whether chunks follow up to the end of the file: data of no bytes are then meant to be empty."""
    end = position
    for _, start, size in _chunks(stream, position, length, order):
        end = start + size
    return end >= length


def _announced(size: int, bits: int, available: int) -> int | None:
    """Return ``size``; None if it is zero or about the largest, which writers put where they do not know it."""
    limit, near = 1 << bits, 65536
    is_large = size >= limit - near or abs(size - limit // 2) <= near
    return None if size <= 0 or (is_large and size > available) else size


def _riff(stream: BinaryIO, length: int) -> DataSize | None:
    stream.seek(0)
    magic = stream.read(4)
    order = ">" if magic == b"RIFX" else "<"
    names: list[str] = []
    num_samples, mask, mask_position, ds64 = 0, 0, 0, 0
    found = None
    for name, start, size in _chunks(stream, 12, length, order):
        # A list is named by its kind.
        names.append(f"LIST {stream.read(4).decode('latin-1')}" if name == "LIST" else name)
        if name == "ds64":
            ds64 = start + 8
        elif name == "fact" and size >= 4:
            num_samples = _unpack(stream, start, f"{order}I")
        elif name == "fmt " and size >= 40 and _unpack(stream, start, f"{order}H") == 0xFFFE:
            mask, mask_position = _unpack(stream, start + 20, f"{order}I"), start + 20
        elif name == "data" and found is None:
            available = length - start
            if ds64:
                announced = _announced(_unpack(stream, ds64, "<Q"), 64, available)
                return DataSize(start, announced, available, [(ds64, "<Q", 0)], num_samples, names, mask, mask_position)
            announced = _announced(size, 32, available)
            if size == 0 and _is_empty(stream, start, length, order):
                announced = 0
            found = DataSize(start, announced, available, [(start - 4, f"{order}I", 0)])
            if announced is None:  # samples follow, not chunks
                break
    if found is not None:
        found.num_samples, found.chunks = num_samples, names
        found.mask, found.mask_position = mask, mask_position
    return found


def _aiff(stream: BinaryIO, length: int) -> DataSize | None:
    names, found = [], None
    for name, start, size in _chunks(stream, 12, length, ">"):
        names.append(name)
        if name == "SSND" and found is None:
            first = start + 8 + _unpack(stream, start, ">I")
            announced = _announced(size - (first - start), 32, length - first)
            if size == 8 and _is_empty(stream, start + 8, length, ">"):
                announced = 0
            found = DataSize(first, announced, length - first, [(start - 4, ">I", first - start)])
            if announced is None:  # samples follow, not chunks
                break
    if found is not None:
        found.chunks = names
    return found


def _w64(stream: BinaryIO, length: int) -> DataSize | None:
    position = 40
    for _ in range(_MAX_CHUNKS):
        stream.seek(position)
        name, guid, size = struct.unpack("<4s12sQ", stream.read(24))
        if name + guid == _DATA_GUID:
            available = length - position - 24
            announced = _announced(size - 24, 64, available)
            return DataSize(position + 24, announced, available, [(position + 16, "<Q", 24)])
        position += max(24, -(-size // 8) * 8)
    return None


def _au(stream: BinaryIO, length: int) -> DataSize:
    stream.seek(0)
    order = ">" if stream.read(4) == b".snd" else "<"
    start, size = _unpack(stream, 4, f"{order}I"), _unpack(stream, 8, f"{order}I")
    return DataSize(start, _announced(size, 32, length - start), length - start, [(8, f"{order}I", 0)])


def _caf(stream: BinaryIO, length: int) -> DataSize | None:
    position = 8
    for _ in range(_MAX_CHUNKS):
        stream.seek(position)
        name, size = struct.unpack(">4sq", stream.read(12))
        if name == b"data":  # its size includes a count of edits of four bytes
            start = position + 16
            announced = _announced(size - 4, 64, length - start)
            return DataSize(start, announced, length - start, [(position + 4, ">q", 4)])
        position += 12 + size
        if size < 0:
            return None
    return None


def _voc(stream: BinaryIO, length: int) -> DataSize | None:
    position = _unpack(stream, 20, "<H")
    for _ in range(_MAX_CHUNKS):
        stream.seek(position)
        kind, low, high = struct.unpack("<BHB", stream.read(4))
        size = low + (high << 16)
        if kind in (1, 9):  # sound; the codec and the rate precede it
            lead = 2 if kind == 1 else 12
            start = position + 4 + lead
            return DataSize(start, _announced(size - lead, 24, length - start), length - start)
        position += 4 + size
        if kind == 0:  # the end
            return None
    return None


def _nist(stream: BinaryIO, length: int) -> DataSize | None:
    stream.seek(8)
    start = int(stream.read(8))
    stream.seek(0)
    lines = stream.read(min(start, 65536)).split(b"end_head")[0].decode("latin-1").splitlines()[2:]
    table = {fields[0]: fields[2] for fields in (line.split(maxsplit=2) for line in lines) if len(fields) == 3}
    if table.get("sample_coding", "pcm") not in ("pcm", "ulaw", "alaw"):  # compressed
        return None
    announced = int(table["sample_count"]) * int(table["sample_n_bytes"]) * int(table.get("channel_count", 1))
    return DataSize(start, announced, length - start)
