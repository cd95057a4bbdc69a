"""Files of codes (``.cse``): the bits that a codec transmits, and the codec's identity. See docs/bitstream.md.

All numbers are little-endian::

    offset          size    content
    0               4       magic: the bytes 43 53 45 0A ("CSE" and a line feed)
    4               2       version: 1
    6               4       length of the header in bytes, H
    10              H       header: JSON in UTF-8, one object, see Header
    10 + H          P       codes: bits_per_code bits each, most significant bit first, without gaps; the order is
                            frame, channel, codebook, where the last varies fastest; zero bits fill the last byte
    10 + H + P      4       CRC-32 (zlib's) of all previous bytes

with ``P = ceil(num_frames * num_channels * num_codebooks * bits_per_code / 8)``.
"""

import json
import struct
import zlib
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from espnet_codecse.errors import UserError

if TYPE_CHECKING:
    from espnet_codecse.codec.abs_codec import AbsCodec

MAGIC, VERSION, SUFFIX = b"CSE\n", 1, ".cse"
_PREFIX, _CRC = struct.Struct("<4sHI"), struct.Struct("<I")
_MAX_HEADER = 65536
_GROUP = 8  # this number of frames always fills whole bytes


@dataclass(frozen=True)
class Header:
    """Description of the codes in a file.

    Attributes:
        codec: value of ``--codec`` when the codes were written.
        fingerprint: fingerprint of that codec's configuration and weights.
        sample_rate: sample rate of the codec, Hz.
        hop: samples per frame.
        num_codebooks: number of codes per frame and channel, from the codec's first codebooks.
        bits_per_code: number of bits per code.
        num_channels: number of channels of the recording; each is coded separately.
        num_frames: frames per channel.
        num_samples: samples per channel, at the codec's rate.
        source_rate: sample rate of the recording, Hz.
        source_num_samples: samples per channel of the recording, at its rate.
        source_format, source_subtype: format and subtype of the recording's file, in libsndfile's terms.
    """

    codec: str
    fingerprint: str
    sample_rate: int
    hop: int
    num_codebooks: int
    bits_per_code: int
    num_channels: int
    num_frames: int
    num_samples: int
    source_rate: int
    source_num_samples: int
    source_format: str
    source_subtype: str

    @classmethod
    def of_codec(
        cls,
        codec: "AbsCodec",
        num_codebooks: int | None,
        num_channels: int,
        num_samples: int,
        source: tuple[int, int, str, str],
    ) -> "Header":
        """Return the header of codes that ``codec`` makes.

        Args:
            codec: the codec.
            num_codebooks: number of its first codebooks; None: all.
            num_channels, num_samples: see the attributes.
            source: ``(source_rate, source_num_samples, source_format, source_subtype)``.
        """
        return cls(
            codec.name,
            codec.fingerprint,
            codec.sample_rate,
            codec.hop,
            num_codebooks or codec.num_codebooks,
            bits_for(codec.codebook_size),
            num_channels,
            codec.num_frames(num_samples),
            num_samples,
            *source,
        )

    @property
    def bits_per_frame(self) -> int:
        """Number of bits per frame, over all channels and codebooks."""
        return self.num_channels * self.num_codebooks * self.bits_per_code

    @property
    def num_bytes(self) -> int:
        """Number of bytes of the codes."""
        return -(-self.num_frames * self.bits_per_frame // 8)


def bits_for(codebook_size: int) -> int:
    """Return the number of bits of an index into ``codebook_size`` entries."""
    return max(1, (codebook_size - 1).bit_length())


class BitstreamWriter:
    """Write codes chunk by chunk.

    Args:
        path: the file; for an atomic write, pass a temporary file.
        header: the header, with the final number of frames.
    """

    def __init__(self, path: Path, header: Header):
        self.header = header
        self._pending = np.zeros((0, header.num_channels * header.num_codebooks), np.int64)
        self._num_frames, self._crc = 0, 0
        self._stream: BinaryIO = open(path, "wb")  # noqa: SIM115 - closed by __exit__
        text = json.dumps(asdict(header), sort_keys=True).encode()
        self._put(_PREFIX.pack(MAGIC, VERSION, len(text)) + text)

    def __enter__(self) -> "BitstreamWriter":
        return self

    def __exit__(self, kind, *_) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            self._stream.close()

    def write(self, codes: np.ndarray) -> None:
        """Append ``codes (channel, codebook, frame)``.

        Raises:
            ValueError: a code does not fit into its bits, or the shape does not match the header.
        """
        if codes.shape[:2] != (self.header.num_channels, self.header.num_codebooks):
            raise ValueError(f"codes of shape {codes.shape} for {self.header}")
        if codes.size and (codes.min() < 0 or codes.max() >> self.header.bits_per_code):
            raise ValueError(f"a code does not fit into {self.header.bits_per_code} bits")
        self._num_frames += codes.shape[2]
        flat = codes.transpose(2, 0, 1).reshape(codes.shape[2], -1)
        frames = np.concatenate([self._pending, flat])
        whole = len(frames) // _GROUP * _GROUP
        self._pending = frames[whole:]
        self._put(_pack(frames[:whole], self.header.bits_per_code))

    def _finish(self) -> None:
        if self._num_frames != self.header.num_frames:
            raise ValueError(f"{self._num_frames} frames written, the header says {self.header.num_frames}")
        self._put(_pack(self._pending, self.header.bits_per_code))
        self._stream.write(_CRC.pack(self._crc))

    def _put(self, data: bytes) -> None:
        self._crc = zlib.crc32(data, self._crc)
        self._stream.write(data)


class BitstreamReader:
    """Read codes at any position of a file; the whole file is checked when it is opened.

    Args:
        path: the file.

    Raises:
        UserError: the file does not exist, has another format or version, or is truncated or damaged.
    """

    def __init__(self, path: Path):
        self.path = Path(path)
        try:
            self._stream: BinaryIO = open(path, "rb")  # noqa: SIM115 - closed by __exit__
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror}); check the path") from None
        try:
            self.header = self._read_header()
            self._check_codes()
        except BaseException:
            self._stream.close()
            raise

    def __enter__(self) -> "BitstreamReader":
        return self

    def __exit__(self, *_) -> None:
        self._stream.close()

    def read(self, start: int, num_frames: int) -> np.ndarray:
        """Return ``codes (channel, codebook, frame) int64`` from frame ``start``; fewer frames at the end."""
        header = self.header
        end = min(start + num_frames, header.num_frames)
        first = start // _GROUP * _GROUP
        self._stream.seek(self._offset + first * header.bits_per_frame // 8)
        data = self._stream.read(-(-(end - first) * header.bits_per_frame // 8))
        shape = (end - first, header.num_channels, header.num_codebooks)
        codes = _unpack(data, shape[0] * shape[1] * shape[2], header.bits_per_code).reshape(shape)
        return np.ascontiguousarray(codes[start - first :].transpose(1, 2, 0))

    def check_codec(self, codec) -> None:
        """Check that ``codec`` can decode the codes.

        Raises:
            UserError: it is not the codec that wrote them.
        """
        header = self.header
        if codec.fingerprint != header.fingerprint:
            raise UserError(
                f"{self.path}: made with the codec '{header.codec}' {header.fingerprint}, but '{codec.name}' is "
                f"{codec.fingerprint}; pass --codec with the codec that made it"
            )
        found = (codec.sample_rate, codec.hop, bits_for(codec.codebook_size), codec.num_frames(header.num_samples))
        fits = found == (header.sample_rate, header.hop, header.bits_per_code, header.num_frames)
        if not fits or header.num_codebooks > codec.num_codebooks:
            raise UserError(f"{self.path}: its header contradicts the codec '{codec.name}'; encode the recording again")

    def _read_header(self) -> Header:
        prefix = self._stream.read(_PREFIX.size)
        if prefix[:4] != MAGIC[: len(prefix)] or len(prefix) < 4:
            raise UserError(f"{self.path}: not a file of codes (it begins otherwise); was it made by codecse encode?")
        if len(prefix) < _PREFIX.size:
            raise self._truncated()
        _, version, length = _PREFIX.unpack(prefix)
        if version != VERSION:
            raise UserError(f"{self.path}: version {version}, this program reads {VERSION}; update espnet_codecse")
        if length > _MAX_HEADER:
            raise UserError(f"{self.path}: its header claims {length} bytes; the file is damaged, copy it again")
        text = self._stream.read(length)
        if len(text) < length:
            raise self._truncated()
        self._offset = _PREFIX.size + length
        self._crc = zlib.crc32(prefix + text)
        header = _parse(text)
        if header is None:
            raise UserError(f"{self.path}: its header is not readable; the file is damaged, copy it again")
        # Both lengths must describe the same recording, because readers allocate memory by them.
        difference = header.source_num_samples * header.sample_rate - header.num_samples * header.source_rate
        if abs(difference) > 4 * max(header.sample_rate, header.source_rate):
            raise UserError(
                f"{self.path}: its header contradicts itself: {header.source_num_samples} samples at "
                f"{header.source_rate} Hz are not {header.num_samples} at {header.sample_rate} Hz; encode it again"
            )
        return header

    def _check_codes(self) -> None:
        expected = self._offset + self.header.num_bytes + _CRC.size
        size = self.path.stat().st_size
        if size < expected:
            raise self._truncated(f"{size} of {expected} bytes")
        if size > expected:
            raise UserError(f"{self.path}: {size - expected} bytes too many; the file is damaged, copy it again")
        crc, left = self._crc, self.header.num_bytes
        while left:
            block = self._stream.read(min(left, 1 << 20))
            if not block:
                raise self._truncated()
            crc, left = zlib.crc32(block, crc), left - len(block)
        if self._stream.read(_CRC.size) != _CRC.pack(crc):
            raise UserError(f"{self.path}: its checksum (CRC-32) is wrong; the file is damaged, copy it again")

    def _truncated(self, detail: str = "it ends in its header") -> UserError:
        return UserError(f"{self.path}: truncated ({detail}); copy it again")


def _parse(text: bytes) -> Header | None:
    """Return the header, or None if a field is missing, has the wrong type, or is out of range."""
    try:
        values: dict[str, Any] = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(values, dict) or any(type(values.get(field.name)) is not field.type for field in fields(Header)):
        return None
    header = Header(**{field.name: values[field.name] for field in fields(Header)})
    positive = (
        header.sample_rate,
        header.hop,
        header.num_codebooks,
        header.bits_per_code,
        header.num_channels,
        header.source_rate,
    )
    counts = (header.num_frames, header.num_samples, header.source_num_samples)
    sensible = min(positive) > 0 and min(counts) >= 0 and header.bits_per_code <= 32 and header.num_channels <= 1024
    return header if sensible else None


def _pack(codes: np.ndarray, bits: int) -> bytes:
    shifts = np.arange(bits - 1, -1, -1)
    return np.packbits(((codes.reshape(-1, 1) >> shifts) & 1).astype(np.uint8)).tobytes()


def _unpack(data: bytes, count: int, bits: int) -> np.ndarray:
    digits = np.unpackbits(np.frombuffer(data, np.uint8), count=count * bits).reshape(count, bits)
    return digits.astype(np.int64) @ (1 << np.arange(bits - 1, -1, -1, dtype=np.int64))
