"""Reading, resampling and writing audio."""

import os
import stat
import tempfile

import numpy as np

from espnet_codecse.container.audio_file import AudioFile
from espnet_codecse.errors import UserError
from espnet_codecse.fileio import PathLike, atomic_path


def read_audio(path: PathLike, start: int = 0, num_samples: int = -1) -> tuple[np.ndarray, int]:
    """Read a file that soundfile knows (wav, flac, ogg, mp3).

    Args:
        path: the file.
        start: first sample to read.
        num_samples: samples to read; -1 reads to the end.

    Returns:
        ``(samples (num_samples, channels) float32 in [-1, 1], sample rate in Hz)``.

    Raises:
        UserError: as :func:`open_audio`.
    """
    import soundfile

    with open_audio(path) as file:
        try:
            file.skip(start)
            return file.read(file.num_samples if num_samples < 0 else num_samples), file.rate
        except (soundfile.SoundFileError, RuntimeError) as error:
            reason = str(error).rstrip(". ") or "decoder error"
            raise UserError(f"{path}: not readable as audio ({reason}); convert it to wav or flac") from error


def read_audio_bytes(content: bytes, suffix: str) -> tuple[np.ndarray, int]:
    """Read the content of an audio file, such as a member of an archive; see :func:`read_audio`.

    Args:
        content: the bytes of the file.
        suffix: of its name.

    Raises:
        UserError: as :func:`read_audio`; the message begins with the reason.
    """
    with tempfile.NamedTemporaryFile(prefix="codecse.", suffix=suffix) as file:
        file.write(content)
        file.flush()
        try:
            return read_audio(file.name)
        except UserError as error:
            raise UserError(str(error).removeprefix(f"{file.name}: ")) from None


def read_first_channel(path: PathLike, rate: int, start: int = 0, num_samples: int = -1) -> np.ndarray:
    """Return the first channel ``(sample,)`` at ``rate`` Hz, float32; ``start`` and ``num_samples`` count file samples.

    Raises:
        UserError: as :func:`read_audio`.
    """
    samples, file_rate = read_audio(path, start, num_samples)
    return resample(samples[:, 0], file_rate, rate)


def audio_info(path: PathLike) -> tuple[int, int, int]:
    """Return ``(number of samples, sample rate in Hz, number of channels)`` without decoding, where that is possible.

    Raises:
        UserError: as :func:`open_audio`.
    """
    with open_audio(path) as file:
        return file.num_samples, file.rate, file.num_channels


def resample(samples: np.ndarray, rate: int, target_rate: int) -> np.ndarray:
    """Resample ``(num_samples,)`` or ``(num_samples, channels)`` from ``rate`` to ``target_rate`` (both Hz)."""
    if rate == target_rate:
        return samples
    import soxr

    return soxr.resample(samples, rate, target_rate, quality="HQ").astype(np.float32, copy=False)


def to_length(signal: np.ndarray, num_samples: int) -> np.ndarray:
    """Cut ``signal (..., sample)``, or pad it with zeros, because the lengths of resampled signals are rounded."""
    missing = max(0, num_samples - signal.shape[-1])
    return np.pad(signal, [(0, 0)] * (signal.ndim - 1) + [(0, missing)])[..., :num_samples]


class StreamingResampler:
    """Resamples a recording block by block; the result is that of :func:`resample` on the whole, without delay.

    Args:
        rate, target_rate: Hz.
        num_channels: number of channels of the recording.
    """

    def __init__(self, rate: int, target_rate: int, num_channels: int):
        self._stream = None
        if rate != target_rate:
            import soxr

            self._stream = soxr.ResampleStream(rate, target_rate, num_channels, dtype="float32", quality="HQ")

    def push(self, samples: np.ndarray, last: bool = False) -> np.ndarray:
        """Return what ``samples (num_samples, channels)`` make ready, all that is left with ``last``."""
        if self._stream is None:
            return samples
        # The resampler takes one channel as a vector.
        given = np.ascontiguousarray(samples[:, 0] if samples.shape[1] == 1 else samples, dtype=np.float32)
        return self._stream.resample_chunk(given, last=last).reshape(-1, samples.shape[1])


def check_readable(path: PathLike) -> None:
    """Check that a path is a file that may be read.

    Raises:
        UserError: it is missing, a folder, a pipe or a device, or there is no permission to read it.
    """
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISREG(mode):
            with open(path, "rb"):
                return
    except FileNotFoundError:
        raise UserError(f"{path}: no such audio file; check the path") from None
    except PermissionError as error:
        raise UserError(f"{path}: not readable ({error.strerror}); change its permissions") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{path}: not readable ({reason}); check the path") from None
    if stat.S_ISDIR(mode):
        raise UserError(f"{path}: a folder, not an audio file; check the path")
    # Headers are read before the samples, and some models read a recording twice.
    raise UserError(f"{path}: a pipe or device, which cannot be read twice; write it to a file first")


def open_audio(path: PathLike) -> AudioFile:
    """Open a file for reading block by block.

    Raises:
        UserError: as :func:`check_readable`, or it is not readable as audio or cut short.
    """
    check_readable(path)
    try:
        return AudioFile(path)
    except OSError as error:
        raise UserError(f"{path}: not readable ({error.strerror}); check the disk or copy it again") from None


def write_audio(path: PathLike, samples: np.ndarray, rate: int, subtype: str = "PCM_16") -> None:
    """Write ``(num_samples,)`` or ``(num_samples, channels)`` atomically; the format follows the suffix.

    Raises:
        UserError: the file cannot be written.
    """
    import soundfile

    with atomic_path(path) as temporary:
        try:
            soundfile.write(os.fsencode(temporary), samples, rate, subtype=subtype)
        except (soundfile.SoundFileError, RuntimeError) as error:
            raise UserError(f"{path}: cannot be written ({error}); is the disk full?") from error
