"""Read and write a stream in pieces: sound files, or samples on the standard streams."""

import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile

from espnet_codecse.errors import UserError
from espnet_codecse.fileio import atomic_path
from espnet_codecse.live.source import Sink, Source

FULL_SCALE = 32768
STANDARD = "-"  # mono PCM: 16 bits, little-endian, raw or after the header of a wav file
MAX_CHUNKS, MAX_CHUNK_BYTES = 100, 1 << 20  # before the samples of a wav stream
ENDLESS = 1 << 62  # bytes


@contextmanager
def open_source(path: str, raw_rate: int = 16000, raw_channels: int = 1) -> Iterator[Source]:
    """Yield the samples of a sound file or of standard input.

    Args:
        path: sound file, or ``-``.
        raw_rate, raw_channels: sample rate, Hz, and channels of raw samples on standard input. A wav header on it
            tells its own.

    Raises:
        UserError: the file is not readable, or a wav stream is damaged or has samples of another size.
    """
    if path == STANDARD:
        yield _standard_input(sys.stdin.buffer, raw_rate, raw_channels)
        return
    try:
        file = soundfile.SoundFile(path)
    except (OSError, soundfile.LibsndfileError) as error:
        raise UserError(f"{path}: not readable as audio ({str(error).splitlines()[0]})") from None
    with file:
        yield Source(file.samplerate, file.channels, lambda count: file.read(count, dtype="float32", always_2d=True))


def _standard_input(stream: BinaryIO, raw_rate: int, raw_channels: int) -> Source:
    begin, num_left, rate, channels = _skip_wav_header(stream, raw_rate, raw_channels)

    def read(count: int) -> np.ndarray:
        nonlocal begin, num_left
        num_bytes = min(2 * channels * count, num_left)
        data, begin = begin[:num_bytes], begin[num_bytes:]
        data += stream.read(num_bytes - len(data))
        num_left -= len(data)
        if len(data) % (2 * channels):
            raise UserError(f"-: ends within a sample; send 16 bits, {channels} channel(s)")
        return (np.frombuffer(data, "<i2").astype(np.float32) / FULL_SCALE).reshape(-1, channels)

    return Source(rate, channels, read)


def _skip_wav_header(stream: BinaryIO, raw_rate: int, raw_channels: int) -> tuple[bytes, int, int, int]:
    """Read the header of a wav file, as ``arecord`` and ffmpeg write it into pipes by default.

    Returns:
        ``(bytes that were read but belong to the samples, bytes of samples including these, sample rate, channels)``.

    Raises:
        UserError: the header is damaged, or the samples are not integers of 16 bits.
    """
    head = stream.read(12)
    if head[:4] != b"RIFF" or head[8:] != b"WAVE":
        return head, ENDLESS, raw_rate, raw_channels
    form, size = b"", 0
    for _ in range(MAX_CHUNKS):
        name_and_size = stream.read(8)
        if len(name_and_size) < 8:
            break
        name, size = name_and_size[:4], int.from_bytes(name_and_size[4:], "little")
        if name == b"data":
            break
        content = stream.read(size + size % 2) if size <= MAX_CHUNK_BYTES else b""
        form = content if name == b"fmt " else form
        if len(content) < size:
            break
    else:
        name = b""
    if name != b"data" or len(form) < 16:
        raise UserError("-: the wav header on standard input is damaged; send raw samples, with arecord -t raw")
    # In an extensible header, the first two bytes of the sub-format are the tag.
    tag, channels, rate = struct.unpack("<HHI", form[:8])
    tag = int.from_bytes(form[24:26], "little") if tag == 0xFFFE and len(form) >= 26 else tag
    bits = int.from_bytes(form[14:16], "little")
    if (tag, bits) != (1, 16) or not channels or not rate:
        raise UserError(
            f"-: a wav stream of {channels} channel(s) at {rate} Hz with {bits} bits, but 16-bit integers are needed; "
            "with arecord: -f S16_LE"
        )
    # Whoever writes into a pipe does not know the size, and puts zero or the largest one.
    return b"", size if 0 < size < 0x7FFF0000 else ENDLESS, rate, channels


@contextmanager
def open_sink(path: str, sample_rate: int, num_channels: int) -> Iterator[Sink]:
    """Yield a sound file or standard output; samples are clipped, and a file appears once it is complete.

    Args:
        path: wav or flac file, or ``-``.
        sample_rate: Hz.
        num_channels: number of channels.

    Raises:
        UserError: ``path`` is neither ``-`` nor a wav or flac file.
    """
    if path == STANDARD:

        def write(samples: np.ndarray) -> None:
            scaled = np.round(samples * FULL_SCALE).clip(-FULL_SCALE, FULL_SCALE - 1)
            sys.stdout.buffer.write(scaled.astype("<i2").tobytes())
            sys.stdout.buffer.flush()

        yield Sink(sample_rate, write)
        return
    if Path(path).suffix not in (".wav", ".flac"):
        raise UserError(f"{path}: outputs are .wav, .flac or -")
    with atomic_path(path) as temporary:
        form = Path(path).suffix[1:].upper()
        with soundfile.SoundFile(temporary, "w", sample_rate, num_channels, subtype="PCM_16", format=form) as file:
            yield Sink(sample_rate, lambda samples: file.write(np.clip(samples, -1.0, 1.0)))
