"""What files carry besides samples and texts, which libsndfile does not pass on: covers, chunks, the channel mask."""

import io
import os
from collections.abc import Mapping
from functools import lru_cache
from typing import BinaryIO

import numpy as np
import soundfile

from espnet_codecse.container.data_size import DataSize, read_data_size
from espnet_codecse.fileio import PathLike

# Chunks of wav and aiff that describe the samples, fill space, or hold texts that are passed on.
_KEPT = {"fmt ", "data", "fact", "PEAK", "ds64", "JUNK", "junk", "FLLR", "PAD ", "LIST INFO"}
_KEPT |= {"COMM", "SSND", "FVER", "NAME", "AUTH", "(c) ", "ANNO", "COMT", "APPL"}
_HEAD = 1 << 18  # bytes; covers come first, and their marks are in front of them
_TEXTS = ("title", "copyright", "artist", "comment", "date", "album", "license", "tracknumber", "genre")


def find_extras(path: PathLike, size: DataSize | None) -> list[str]:
    """Return the names of what is lost if a file is read and written: ``cover``, ``bext chunk``, ..."""
    if size is not None:
        return [f"{name.strip()} chunk" for name in dict.fromkeys(size.chunks) if name not in _KEPT]
    with open(path, "rb") as stream:
        head = stream.read(_HEAD)
    if head[:4] == b"fLaC":
        return _of_flac(head)
    if head[:3] == b"ID3":
        return ["cover"] if b"APIC\0" in head or b"PIC\0" in head else []
    if head[:4] == b"OggS":
        return ["cover"] if b"METADATA_BLOCK_PICTURE=" in head.upper() else []
    return []


def _of_flac(head: bytes) -> list[str]:
    names = {2: "application data", 5: "cue sheet", 6: "cover"}
    found: dict[str, None] = {}
    position = 4
    while position + 4 <= len(head):
        kind, length = head[position] & 0x7F, int.from_bytes(head[position + 1 : position + 4], "big")
        if kind in names:
            found[names[kind]] = None
        if head[position] & 0x80:  # the last block
            break
        position += 4 + length
    return list(found)


def texts_of(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the tags that describe the recording; ``software`` is what wrote the file."""
    return {name: text for name, text in tags.items() if name in _TEXTS and text}


@lru_cache(maxsize=64)
def stored_texts(name: str, subtype: str, rate: int, num_channels: int) -> frozenset[str]:
    """Return the tags that libsndfile stores in a format; tried in memory, because each format has its own."""
    stream = io.BytesIO()
    with soundfile.SoundFile(stream, "w", rate, num_channels, subtype, format=name) as file:
        write_texts(file, dict.fromkeys(_TEXTS, "1"))
        file.write(np.zeros((rate // 4, num_channels)))  # some formats are not read without samples
    stream.seek(0)
    with soundfile.SoundFile(stream) as file:
        return frozenset(file.copy_metadata()) & frozenset(_TEXTS)


def write_texts(file: soundfile.SoundFile, texts: Mapping[str, str]) -> None:
    """Write tags into a file before its samples; those that its format does not know are left out."""
    for name, text in texts.items():
        try:
            setattr(file, name, text)
        except (soundfile.SoundFileError, RuntimeError):
            return


def write_channel_mask(path: PathLike, mask: int) -> None:
    """Set which loudspeaker each channel of an extensible wav is for; libsndfile writes the usual ones."""
    stream: BinaryIO
    with open(path, "rb+") as stream:
        size = read_data_size(stream, os.fstat(stream.fileno()).st_size)
        if size is not None and size.mask_position:
            stream.seek(size.mask_position)
            stream.write(mask.to_bytes(4, "little"))
