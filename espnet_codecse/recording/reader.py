"""Read a recording in one forward pass, at the codec's rate, in bounded memory."""

import os
from pathlib import Path

import numpy as np

from espnet_codecse.audio import StreamingResampler, open_audio
from espnet_codecse.codec.streaming import ForwardBuffer
from espnet_codecse.container.audio_file import BLOCK, AudioFile
from espnet_codecse.errors import UserError
from espnet_codecse.recording.listener import Listener

# A decoder of mp3 may skip a damaged frame or two of 1152 samples.
MP3_TOLERANCE = 4 * 1152


def samples_at(num_samples: int, rate: int, target_rate: int) -> int:
    """Return the number of samples at ``target_rate`` of a recording with at least one sample."""
    return max(1, round(num_samples * target_rate / rate))


class RecordingReader:
    """A recording resampled to the codec's rate.

    Args:
        path: the file.
        codec_rate: sample rate of the codec, Hz.
        mono: average the channels.
        listen: make a ``listener``.
        full_band: the band above that of the codec is not lost.

    Attributes:
        rate: sample rate of the file, Hz.
        num_samples: samples of the file.
        num_channels: 1 with ``mono``.
        format, subtype: libsndfile's names.
        num_output: samples at the codec's rate.
        num_read: samples of the file that were read so far.
        listener: hears what is read; None without ``listen``.

    Raises:
        UserError: the file is unreadable, empty, shorter than its header says, or contains NaN.
    """

    def __init__(self, path: Path, codec_rate: int, mono: bool = False, listen: bool = False, full_band: bool = False):
        self.path, self._mono = path, mono
        self._file = open_audio(path)
        self.rate, self.num_samples = self._file.rate, self._file.num_samples
        self.format, self.subtype = self._file.format, self._file.subtype
        if self.num_samples <= 0:
            self._file.close()
            raise UserError(f"{path}: holds no samples")
        self.num_channels = 1 if mono else self._file.num_channels
        self.num_output = samples_at(self.num_samples, self.rate, codec_rate)
        self.num_read = 0
        self.listener = Listener(codec_rate, self.rate, full_band) if listen else None
        self._num_left = self.num_output
        self._resampler: StreamingResampler | None = StreamingResampler(self.rate, codec_rate, self.num_channels)
        self._buffer = ForwardBuffer(self._produce, axis=1)

    def __enter__(self) -> "RecordingReader":
        return self

    def __exit__(self, *_) -> None:
        self._file.close()

    def read(self, start: int, count: int) -> np.ndarray:
        """Return ``(channel, count) float32``; ``start`` must not decrease between calls."""
        return self._buffer.read(start, count)

    def _produce(self) -> np.ndarray | None:
        if self._num_left <= 0:
            return None
        if self._resampler is None:  # rounding left the stream short: pad with silence
            piece = np.zeros((self._num_left, self.num_channels), np.float32)
        else:
            block = read_block(self._file, self.path, self.num_read, self._mono, "float32")
            self.num_read += len(block)
            if self.listener is not None:
                self.listener.hear_file(block)
            last = len(block) == 0
            if last:
                self._check_length()
            piece = self._resampler.push(block, last)[: self._num_left]
            if last:
                self._resampler = None
        self._num_left -= len(piece)
        samples = np.ascontiguousarray(piece.T)
        if self.listener is not None:
            self.listener.hear_input(samples)
        return samples

    def _check_length(self) -> None:
        missing = self.num_samples - self.num_read
        if missing > (MP3_TOLERANCE if self._file.format == "MP3" else 0):
            raise UserError(
                f"{self.path}: broken: {self.num_read} of {self.num_samples} samples could be read; copy it again"
            )


def read_block(
    file: AudioFile, path: Path, position: int, mono: bool, dtype: str, num_samples: int = BLOCK
) -> np.ndarray:
    """Read the next ``(num_samples, channels)`` of an open file, fewer at its end.

    ``position`` is the number of samples read before, because not every decoder knows it.

    Raises:
        UserError: the samples cannot be decoded, or are not finite.
    """
    import soundfile

    try:
        block = file.read(num_samples, dtype)
    except (soundfile.SoundFileError, RuntimeError) as error:
        reason = str(error).rstrip(". ") or "decoder error"
        raise UserError(f"{path}: broken after sample {position} ({reason}); copy or convert it again") from None
    finite = np.isfinite(block).all(axis=1)
    if not finite.all():
        raise UserError(f"{path}: sample {position + int(finite.argmin())} is not a number; repair the file")
    return block.mean(axis=1, keepdims=True) if mono else block


def reason_of(error: BaseException, path: Path) -> str:
    """Return the message as one line without the leading path, for the list of failures."""
    text = str(error) or type(error).__name__
    if isinstance(error, MemoryError) or "out of memory" in text or "can't allocate memory" in text:
        return "out of memory; free some memory, or give a smaller --segment_seconds or fewer --jobs"
    if not isinstance(error, (UserError, OSError)):
        text = f"{type(error).__name__}: {text}"
    return " ".join(text.split()).removeprefix(f"{os.fspath(path)}: ")
