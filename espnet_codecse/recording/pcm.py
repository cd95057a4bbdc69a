"""Read and write a stream in pieces: sound files, or raw samples on the standard streams."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import soundfile

from espnet_codecse.errors import UserError
from espnet_codecse.fileio import atomic_path

FULL_SCALE = 32768
STANDARD = "-"  # raw mono PCM: 16 bits, little-endian


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

        def read(count: int) -> np.ndarray:
            data = sys.stdin.buffer.read(2 * count)
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
