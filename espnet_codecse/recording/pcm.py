"""Read and write a stream in pieces: sound files, or samples on the standard streams."""

import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile

from espnet_codecse.errors import UserError
from espnet_codecse.fileio import atomic_path

FULL_SCALE = 32768
STANDARD = "-"  # mono PCM: 16 bits, little-endian, raw or after the header of a wav file
MAX_CHUNKS, MAX_CHUNK_BYTES = 100, 1 << 20  # before the samples of a wav stream
ENDLESS = 1 << 62  # bytes


@contextmanager
def open_source(path: str, sample_rate: int) -> Iterator[Callable[[int], np.ndarray]]:
    """Yield ``read(count)``, which returns at most ``count`` further samples ``(sample,)`` float32; none at the end.

    Args:
        path: sound file, or ``-``.
        sample_rate: required sample rate, Hz; raw samples are assumed to have it.

    Raises:
        UserError: the file is not readable, or is not mono at this rate.
    """
    if path == STANDARD:
        stream = sys.stdin.buffer
        begin, num_left = _skip_wav_header(stream, sample_rate)

        def read(count: int) -> np.ndarray:
            nonlocal begin, num_left
            num_bytes = min(2 * count, num_left)
            data, begin = begin[:num_bytes], begin[num_bytes:]
            data += stream.read(num_bytes - len(data))
            num_left -= len(data)
            if len(data) % 2:
                raise UserError("-: ends in half a sample; send 16 bits, mono")
            return np.frombuffer(data, "<i2").astype(np.float32) / FULL_SCALE

        yield read
        return
    try:
        file = soundfile.SoundFile(path)
    except (OSError, soundfile.LibsndfileError) as error:
        raise UserError(f"{path}: not readable as audio ({str(error).splitlines()[0]})") from None
    with file:
        if file.samplerate != sample_rate or file.channels != 1:
            raise UserError(
                f"{path}: {file.channels} channel(s) at {file.samplerate} Hz, but a stream has one at {sample_rate} "
                "Hz; convert the file, or use codecse enhance"
            )
        yield lambda count: file.read(count, dtype="float32")


def _skip_wav_header(stream: BinaryIO, sample_rate: int) -> tuple[bytes, int]:
    """Read the header of a wav file, as ``arecord`` and ffmpeg write it into pipes by default.

    Returns:
        ``(bytes that were read but belong to the samples, bytes of samples including these)``.

    Raises:
        UserError: the samples are not mono, of 16 bits and at ``sample_rate`` Hz.
    """
    head = stream.read(12)
    if head[:4] != b"RIFF" or head[8:] != b"WAVE":
        return head, ENDLESS
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
    if (tag, channels, rate, bits) != (1, 1, sample_rate, 16):
        raise UserError(
            f"-: a wav stream of {channels} channel(s) at {rate} Hz with {bits} bits, but one channel at {sample_rate} "
            "Hz with 16 bits is needed; with arecord: -f S16_LE -c 1 -r " + str(sample_rate)
        )
    # Whoever writes into a pipe does not know the size, and puts zero or the largest one.
    return b"", size if 0 < size < 0x7FFF0000 else ENDLESS


@contextmanager
def open_sink(path: str, sample_rate: int) -> Iterator[Callable[[np.ndarray], None]]:
    """Yield ``write(samples)`` for ``(sample,)`` float32; samples are clipped, and a file appears once it is complete.

    Raises:
        UserError: ``path`` is neither ``-`` nor a wav or flac file.
    """
    if path == STANDARD:

        def write(samples: np.ndarray) -> None:
            scaled = np.round(samples * FULL_SCALE).clip(-FULL_SCALE, FULL_SCALE - 1)
            sys.stdout.buffer.write(scaled.astype("<i2").tobytes())
            sys.stdout.buffer.flush()

        yield write
        return
    if Path(path).suffix not in (".wav", ".flac"):
        raise UserError(f"{path}: outputs are .wav, .flac or -")
    with atomic_path(path) as temporary:
        form = Path(path).suffix[1:].upper()
        with soundfile.SoundFile(temporary, "w", sample_rate, 1, subtype="PCM_16", format=form) as file:
            yield lambda samples: file.write(np.clip(samples, -1.0, 1.0))
