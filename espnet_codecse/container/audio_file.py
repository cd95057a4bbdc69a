"""Audio files, read block by block up to where their samples end, whatever their headers say."""

import os
from collections.abc import Sequence

import numpy as np
import soundfile

from espnet_codecse.container import extras, flac, mpeg, ogg
from espnet_codecse.container.byte_ranges import ByteRanges, FileBytes, Part
from espnet_codecse.container.data_size import DataSize, read_data_size
from espnet_codecse.errors import UserError
from espnet_codecse.fileio import PathLike

BLOCK, MAX_READ = 65536, 1 << 24  # samples per channel
# Rates outside are damaged headers; resampling from 1 Hz would take memory without bound.
MIN_RATE, MAX_RATE = 1000, 768000
MPEG_LEAD = 32 * 1152  # samples that hold 511 bytes at the lowest bit rate
_MPEG_SUFFIXES = (".mp3", ".mp2", ".mp1", ".mpga")


class _Stream(soundfile.SoundFile):
    """A file that is read forwards.

    After each read, soundfile seeks to where it is. In an mp3 that makes the decoder forget the bits of earlier frames,
    and it begins the next block with silence.
    """

    def seekable(self) -> bool:
        return False

    def can_skip(self) -> bool:
        """Whether samples can be passed over without decoding them."""
        return super().seekable()


class AudioFile:
    """An open audio file.

    Files that hold several streams one after the other, such as joined mp3s, are read as one recording.

    Args:
        path: a file that soundfile can read.

    Attributes:
        num_samples: samples per channel.
        rate: sample rate, Hz.
        num_channels: number of channels.
        format, subtype: libsndfile's names.
        data_size: where the samples of an uncompressed container lie; None for others.

    Raises:
        UserError: it is not readable as audio, holds less than its header says, changes its rate or channels, or has
            an absurd rate.
    """

    def __init__(self, path: PathLike):
        self.path = path
        with open(path, "rb") as stream:
            self.data_size = read_data_size(stream, os.fstat(stream.fileno()).st_size)
        sources, num_samples = _sources(path, self.data_size)
        self._files: list[_Stream] = []
        try:
            for source in sources:
                self._files.append(_open(path, source))
            first = self._files[0]
            self.rate, self.num_channels = first.samplerate, first.channels
            self.format, self.subtype = first.format, first.subtype
            self.num_samples = num_samples or _num_samples(self._files, self.data_size)
            self._check()
        except BaseException:
            self.close()
            raise
        self._index, self._position = 0, 0

    def __enter__(self) -> "AudioFile":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        for file in self._files:
            file.close()

    @property
    def texts(self) -> dict[str, str]:
        """Title, artist and other tags that libsndfile reads."""
        return extras.texts_of(self._files[0].copy_metadata())

    @property
    def channel_mask(self) -> int:
        """Which loudspeaker each channel is for, as an extensible wav says it; 0 where nothing says it."""
        return 0 if self.data_size is None else self.data_size.mask

    def extras(self) -> list[str]:
        """Return the names of what the file carries besides samples, texts and channel mask."""
        return extras.find_extras(self.path, self.data_size)

    def read(self, num_samples: int, dtype: str = "float32") -> np.ndarray:
        """Return the next ``(num_samples, channels)``, fewer at the end.

        Raises:
            soundfile.SoundFileError: they cannot be decoded.
        """
        wanted = min(num_samples, self.num_samples - self._position)
        blocks = []
        while wanted > 0 and self._index < len(self._files):
            # A damaged header may announce more samples than fit into memory.
            count = min(wanted, MAX_READ)
            block = self._files[self._index].read(count, dtype=dtype, always_2d=True)
            self._index += len(block) < count
            self._position += len(block)
            wanted -= len(block)
            blocks.append(block)
        if len(blocks) == 1:
            return blocks[0]
        return np.concatenate(blocks) if blocks else np.zeros((0, self.num_channels), dtype)

    def skip(self, num_samples: int) -> None:
        """Pass over the first ``num_samples`` of a file from which nothing was read yet."""
        self._position = num_samples
        while self._index < len(self._files) - 1 and num_samples >= self._files[self._index].frames:
            num_samples -= self._files[self._index].frames
            self._index += 1
        file = self._files[self._index]
        # A frame of mp3 uses bits of frames before it, without which the decoder returns silence.
        target = num_samples - MPEG_LEAD if self.format == "MP3" else num_samples
        if target > 0 and file.can_skip():
            file.seek(min(target, file.frames))
            num_samples -= target
        while num_samples > 0 and len(block := file.read(min(num_samples, BLOCK))):
            num_samples -= len(block)

    def _check(self) -> None:
        if not MIN_RATE <= self.rate <= MAX_RATE:
            raise UserError(
                f"{self.path}: a sample rate of {self.rate} Hz is not between {MIN_RATE} and {MAX_RATE}; its header is "
                "damaged, or it is no audio"
            )
        for file in self._files:
            if (file.samplerate, file.channels) != (self.rate, self.num_channels):
                raise UserError(
                    f"{self.path}: joined from files of {self.num_channels} channel(s) at {self.rate} Hz and "
                    f"{file.channels} at {file.samplerate} Hz; convert them to one rate first"
                )


def _sources(path: PathLike, size: DataSize | None) -> tuple[Sequence[list[Part] | None], int]:
    """Return the streams of a file, None for the file as it is, and the samples of all; 0 where the decoder knows."""
    if size is not None:
        if size.missing:
            raise _cut(path, size.available, size.announced or 0, "bytes")
        if size.announced is None and size.available > 0 and size.fields:
            return [_patched(size)], 0
        return [None], 0
    with open(path, "rb") as file:
        magic = file.read(4)
    if magic == b"OggS":
        links = ogg.find_links(path)
        return [[link] for link in links] if len(links) > 1 else [None], 0
    if magic == b"fLaC":
        if not flac.has_no_length(path):
            return [None], 0
        num_samples = _count(path, flac.parts_with_length(path, flac.LARGEST))
        return [flac.parts_with_length(path, num_samples)], num_samples
    streams = mpeg.find_streams(path, anywhere=os.path.splitext(path)[1].lower() in _MPEG_SUFFIXES)
    for stream in streams:
        if stream.is_cut:
            raise _cut(path, stream.num_frames, stream.announced or 0, "frames")
    if not streams or (len(streams) == 1 and streams[0].is_complete and len(streams[0].ranges) == 1):
        return [None], 0
    parts = [stream.parts() for stream in streams]
    with FileBytes(path) as data:  # title, artist and other texts lie at either end
        end = len(data)
        if data[0:3] == b"ID3":
            parts[0] = [(0, streams[0].ranges[0][0]), *parts[0]]
        if data[end - 128 : end - 125] == b"TAG":
            parts[0] = [*parts[0], (end - 128, end)]
    known = all(stream.has_length_header for stream in streams)
    return parts, 0 if known else sum(stream.num_frames * stream.first.num_samples for stream in streams)


def _patched(size: DataSize) -> list[Part]:
    """Return a file whose header announces the bytes that it holds."""
    parts: list[Part] = []
    position = 0
    for start, data in size.patches():
        parts += [(position, start), data]
        position = start + len(data)
    return [*parts, (position, size.start + size.available)]


def _cut(path: PathLike, found: int, announced: int, unit: str) -> UserError:
    return UserError(f"{path}: cut short: {found} of {announced} {unit} of audio are there; copy it again")


def _open(path: PathLike, parts: list[Part] | None) -> _Stream:
    try:
        # A name may hold bytes that are no valid UTF-8.
        return _Stream(os.fsencode(path) if parts is None else ByteRanges(path, parts))
    except (soundfile.SoundFileError, RuntimeError, TypeError) as error:  # TypeError: headerless, by its suffix
        reason = str(getattr(error, "error_string", error)).rstrip(". ") or "decoder error"
        raise UserError(f"{path}: not readable as audio ({reason}); convert it to wav or flac") from None


def _num_samples(files: Sequence[_Stream], size: DataSize | None) -> int:
    num_samples = sum(file.frames for file in files)
    # GSM in wav is stored in blocks of 320 samples, and libsndfile takes a byte of padding for another block.
    if size is not None and files[0].subtype == "GSM610" and 0 < num_samples - size.num_samples <= 640:
        return size.num_samples or num_samples
    return num_samples


def _count(path: PathLike, parts: list[Part]) -> int:
    """Return the samples of a file whose header announces too many, by decoding it."""
    count = 0
    with _open(path, parts) as file:
        try:
            while num_read := len(file.read(BLOCK)):
                count += num_read
        except (soundfile.SoundFileError, RuntimeError):  # cut within its last frame
            pass
    return count
