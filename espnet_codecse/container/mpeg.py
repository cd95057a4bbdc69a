"""Frames of MPEG audio (mp3, mp2), found by walking from one frame header to the next.

A decoder estimates the length of an mp3 from the size of its first frames if there is no length header, and stops at
the length that the first header gives. Neither holds for what encoders write into pipes and for joined files.
"""

import re
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from espnet_codecse.container.byte_ranges import FileBytes, Part
from espnet_codecse.fileio import PathLike

_KBITS = {
    # (MPEG-1, layer): kbit/s by the index of the header; 0 is a free format, which nobody uses
    (True, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_HEADER = re.compile(rb"\xff[\xe2-\xff][\x10-\xef]")
_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}  # by version; 1 is reserved
# Encoders disagree by a frame or two on what they count in a length header.
FRAME_TOLERANCE = 4


class Frame(NamedTuple):
    """What the four bytes of a frame header say.

    Attributes:
        num_bytes: size of the frame with its header.
        num_samples: samples per channel.
        kind: version, layer, sample rate in Hz and number of channels, which do not change within a stream.
    """

    num_bytes: int
    num_samples: int
    kind: tuple[int, int, int, int]


@dataclass
class MpegStream:
    """Frames that one encoder wrote.

    Attributes:
        first: the first frame.
        first_header: its four bytes.
        announced: frames that the length header gives; None without one.
        ranges: ``[first byte, byte after the last]`` of its frames, in order; what lies between them is no audio. The
            length header is a frame of the first range.
        num_frames: number of frames that carry audio.
    """

    first: Frame
    first_header: bytes
    announced: int | None
    ranges: list[list[int]] = field(default_factory=list)
    num_frames: int = 0

    @property
    def is_complete(self) -> bool:
        """Whether all frames that the length header announces are there; False without one."""
        return bool(self.announced) and self.num_frames == self.announced

    @property
    def is_cut(self) -> bool:
        """Whether frames that the length header announces are missing at the end."""
        return self.announced is not None and self.num_frames < self.announced - FRAME_TOLERANCE

    @property
    def has_length_header(self) -> bool:
        """Whether :meth:`parts` begin with a length header; only layer 3 has one."""
        return self.first.kind[1] == 3

    def parts(self) -> list[Part]:
        """Return the stream with a length header that counts its frames, or with bytes that make it seem longer."""
        ranges: list[Part] = [(start, end) for start, end in self.ranges]
        if self.is_complete:
            return ranges
        if not self.has_length_header:
            # The decoder estimates the length from the bytes, and stops there; too long an estimate does no harm.
            return [*ranges, bytes(65536)]
        if self.announced is not None:
            start, end = self.ranges[0]
            ranges[0] = (start + self.first.num_bytes, end)
        return [_length_header(self.first_header, self.num_frames), *ranges]


@lru_cache(maxsize=4096)  # few headers occur in a file
def read_frame(header: bytes) -> Frame | None:
    """Return what a frame header of four bytes says; None if it is none."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return None
    version, layer = header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3)
    kbits_index, rate_index = header[2] >> 4, header[2] >> 2 & 3
    if version == 1 or layer == 4 or kbits_index in (0, 15) or rate_index == 3:
        return None
    padding, channels = header[2] >> 1 & 1, 1 if header[3] >> 6 == 3 else 2
    rate, bits = _RATES[version][rate_index], 1000 * _KBITS[version == 3, layer][kbits_index]
    if layer == 1:
        return Frame((12 * bits // rate + padding) * 4, 384, (version, layer, rate, channels))
    num_samples = 576 if layer == 3 and version != 3 else 1152
    return Frame(num_samples // 8 * bits // rate + padding, num_samples, (version, layer, rate, channels))


def find_streams(path: PathLike, anywhere: bool = False) -> list[MpegStream]:
    """Return the streams of a file, one after the other; none for files of another kind.

    Args:
        path: the file.
        anywhere: look for the first frame anywhere, not only at the beginning: part of a recording begins in a frame.
    """
    status = Path(path).stat()
    return _find_streams(str(path), anywhere, status.st_ino, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=16)  # a recording is opened several times in a row
def _find_streams(path: str, anywhere: bool, _inode: int, size: int, _changed: int) -> list[MpegStream]:
    if size < 4:
        return []
    with FileBytes(path) as data:
        position = _after_tags(data, 0)
        begins = read_frame(data[position : position + 4]) is not None
        if not begins and not anywhere:
            return []
        streams = _walk(data, position)
        # A few frames far from the beginning are bytes that look like them.
        return streams if begins or sum(stream.num_frames for stream in streams) > FRAME_TOLERANCE else []


def _walk(data: FileBytes, position: int) -> list[MpegStream]:
    streams: list[MpegStream] = []
    size, kind = len(data), None
    while position + 4 <= size:
        header = data[position : position + 4]
        frame = read_frame(header)
        if frame is None or (frame.kind != kind and not _is_followed(data, position, frame)):
            position, kind = _next_candidate(data, position), None
            continue
        end = position + frame.num_bytes
        if end > size:  # cut within its last frame
            break
        announced = _announced(data[position:end], frame) if frame.kind[1] == 3 else None
        stream = streams[-1] if streams else None
        if stream is None or announced is not None or frame.kind != stream.first.kind or stream.is_complete:
            stream = MpegStream(frame, header, announced)
            streams.append(stream)
        stream.num_frames += announced is None
        if stream.ranges and stream.ranges[-1][1] == position:
            stream.ranges[-1][1] = end
        else:
            stream.ranges.append([position, end])
        position, kind = end, frame.kind
    # Bytes that look like two frames by chance, and frames that an encoder did not count.
    return [stream for stream in streams if stream.num_frames > FRAME_TOLERANCE or stream.announced] or streams


def _is_followed(data: FileBytes, position: int, frame: Frame) -> bool:
    """Whether another frame of this kind follows, or the end or tags: two bytes look like a header by chance."""
    end = _after_tags(data, position + frame.num_bytes)
    following = read_frame(data[end : end + 4])
    return end >= len(data) or (following is not None and following.kind == frame.kind)


def _next_candidate(data: FileBytes, position: int) -> int:
    """Return the next position that may hold a frame header."""
    after = _after_tags(data, position)
    if after > position:
        return after
    return data.search(_HEADER, position + 1)


def _after_tags(data: FileBytes, position: int) -> int:
    """Return the position after ID3 tags that begin at ``position``."""
    while (head := data[position : position + 10])[:3] == b"ID3" and len(head) == 10:
        length = 0
        for byte in head[6:]:
            length = length << 7 | byte & 0x7F
        position += 10 + length + (10 if head[5] & 0x10 else 0)
    if data[position : position + 3] == b"TAG":
        position += 128
    return min(position, len(data))


def _side_information(kind: tuple[int, int, int, int]) -> int:
    """Return the bytes between the header of a frame of layer 3 and its data."""
    version, _, _, channels = kind
    return (17 if channels == 1 else 32) if version == 3 else (9 if channels == 1 else 17)


def _announced(frame: bytes, info: Frame) -> int | None:
    """Return the number of frames that a length header (Xing, Info, VBRI) announces; None for a frame of audio."""
    start = 4 + _side_information(info.kind)
    if frame[start : start + 4] in (b"Xing", b"Info"):
        has_length = frame[start + 7 : start + 8] and frame[start + 7] & 1
        return int.from_bytes(frame[start + 8 : start + 12], "big") if has_length else 0
    if frame[36:40] == b"VBRI":
        return int.from_bytes(frame[50:54], "big")
    return None


def _length_header(first_header: bytes, num_frames: int) -> bytes:
    """Return a length header for a stream whose first frame has the header ``first_header``."""
    # Any bit rate does if the frame has room; no checksum, no padding.
    header = bytes([0xFF, first_header[1] | 1, 0x80 | first_header[2] & 0x0C, first_header[3]])
    frame = read_frame(header)
    assert frame is not None  # made of a valid one
    content = header + bytes(_side_information(frame.kind)) + b"Xing\0\0\0\1" + num_frames.to_bytes(4, "big")
    return content.ljust(frame.num_bytes, b"\0")
