"""File formats that are read, and the choice of an output's format."""

import io
from dataclasses import dataclass
from functools import lru_cache

from espnet_codecse.errors import UserError

# Suffixes to search folders for. Those that libsndfile cannot read are included so that they are reported as failures.
READABLE = [
    ".wav",
    ".wave",
    ".flac",
    ".ogg",
    ".oga",
    ".opus",
    ".mp3",
    ".aiff",
    ".aif",
    ".aifc",
    ".au",
    ".snd",
    ".caf",
    ".w64",
    ".rf64",
    ".sph",
    ".nist",
    ".voc",
    ".ircam",
    ".paf",
    ".sd2",
]
UNREADABLE = [".m4a", ".mp4", ".aac", ".wma", ".amr", ".3gp", ".webm", ".mka", ".ape", ".wv", ".ac3", ".dts", ".m4b"]
SUFFIXES = tuple(READABLE + UNREADABLE)

# --format: libsndfile's format and suffix. Opus is a subtype of OGG to libsndfile.
CHOICES = {
    "wav": ("WAV", ".wav"),
    "flac": ("FLAC", ".flac"),
    "ogg": ("OGG", ".ogg"),
    "opus": ("OGG", ".opus"),
    "mp3": ("MP3", ".mp3"),
    "aiff": ("AIFF", ".aiff"),
    "w64": ("W64", ".w64"),
    "caf": ("CAF", ".caf"),
}
LOSSY = {"ogg": "VORBIS", "opus": "OPUS", "mp3": "MPEG_LAYER_III"}
_WAV_BYTES = 2**32 - 65536  # limit of a wav's 32-bit size field, with room for the header


@dataclass(frozen=True)
class AudioFormat:
    """Format of a file to write.

    Attributes:
        name, subtype: libsndfile's names.
        suffix: suffix of the file.
        is_fallback: whether the input's own format could not be kept.
    """

    name: str
    subtype: str
    suffix: str
    is_fallback: bool = False

    @property
    def bits(self) -> int | None:
        """Bits per sample of integer formats, else None."""
        return _PCM_BITS.get(self.subtype)

    @property
    def largest(self) -> float:
        """The largest sample of formats with a limit."""
        return 1.0 if self.bits is None else 1.0 - 2.0 ** (1 - self.bits)

    @property
    def has_limit(self) -> bool:
        """Whether samples beyond full scale cannot be stored."""
        return self.subtype not in ("FLOAT", "DOUBLE")


_PCM_BITS = {"PCM_S8": 8, "PCM_U8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32}
_BYTES = {"PCM_U8": 1, "ULAW": 1, "ALAW": 1, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4, "DOUBLE": 8}
_FINE = {
    "PCM_24": 24,
    "PCM_32": 32,
    "FLOAT": 33,
    "DOUBLE": 33,
    "ALAC_20": 24,
    "ALAC_24": 24,
    "ALAC_32": 32,
    "DWVW_24": 24,
}


def choose_format(
    name: str, subtype: str, suffix: str, rate: int, num_channels: int, num_samples: int, choice: str | None = None
) -> AudioFormat:
    """Return the input's own format, or that of ``--format``.

    If libsndfile cannot write the input's format with its rate and channels, the output is wav: PCM_16, or PCM_24,
    PCM_32 or FLOAT if the input has a higher resolution. A wav of more than 4 GB becomes RF64 with the same suffix.

    Args:
        name, subtype: libsndfile's names of the input's format.
        suffix: suffix of the input.
        rate: sample rate, Hz.
        num_channels, num_samples: size of the output.
        choice: value of ``--format``.

    Raises:
        UserError: the chosen format cannot hold this rate or these channels.
    """
    resolution = _FINE.get(subtype, 16)
    if choice is None:
        found = AudioFormat(name, subtype, suffix)
        if not is_writable(name, subtype, rate, num_channels):
            found = AudioFormat("WAV", _pcm("WAV", resolution), ".wav", is_fallback=True)
    else:
        format_name, chosen_suffix = CHOICES[choice]
        chosen = LOSSY.get(choice)
        if chosen is None:
            keeps = _keeps(format_name, subtype, name, rate, num_channels)
            chosen = subtype if keeps else _pcm(format_name, resolution)
        own = format_name == name and choice not in LOSSY
        found = AudioFormat(format_name, chosen, suffix if own else chosen_suffix)
        if not is_writable(found.name, found.subtype, rate, num_channels):
            raise UserError(
                f"--format {choice} cannot hold {num_channels} channel(s) at {rate} Hz; choose another format"
            )
    num_bytes = num_samples * num_channels * _BYTES.get(found.subtype, 2)
    if found.name in ("WAV", "WAVEX") and num_bytes > _WAV_BYTES:
        found = AudioFormat("RF64", found.subtype, found.suffix, found.is_fallback)
    return found


def _keeps(format_name: str, subtype: str, name: str, rate: int, num_channels: int) -> bool:
    """Whether ``subtype`` is kept: always within its own format, and PCM in any format that supports it."""
    plain = subtype in _PCM_BITS or subtype in ("FLOAT", "DOUBLE")
    return (plain or format_name == name) and is_writable(format_name, subtype, rate, num_channels)


def _pcm(format_name: str, resolution: int) -> str:
    """Return the subtype with at least ``resolution`` bits (33: floating point), or the finest of the format."""
    if format_name == "FLAC":
        return "PCM_16" if resolution <= 16 else "PCM_24"
    return {16: "PCM_16", 24: "PCM_24", 32: "PCM_32", 33: "FLOAT"}[resolution]


def suffix_of(name: str, subtype: str) -> str:
    """Return the usual suffix of libsndfile's format ``name``."""
    if subtype == "OPUS":
        return ".opus"
    known = {"WAVEX": ".wav", "NIST": ".sph"}
    return known.get(name, f".{name.lower()}")


@lru_cache(maxsize=256)
def is_writable(name: str, subtype: str, rate: int, num_channels: int) -> bool:
    """Whether libsndfile can write this; tried in memory, because each codec has its own limits."""
    import soundfile

    if name in ("RAW", "SD2"):  # RAW has no header, SD2 needs a second file
        return False
    try:
        with soundfile.SoundFile(io.BytesIO(), "w", rate, num_channels, subtype, format=name):
            return True
    except (soundfile.SoundFileError, RuntimeError, ValueError, TypeError):
        return False
