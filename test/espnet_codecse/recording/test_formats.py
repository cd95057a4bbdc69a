"""What an output is written as."""

import pytest

from espnet_codecse.errors import UserError
from espnet_codecse.recording.formats import AudioFormat, choose_format, is_writable, suffix_of


def chosen(name, subtype, suffix, choice=None, rate=16000, channels=1, num_samples=1000):
    return choose_format(name, subtype, suffix, rate, channels, num_samples, choice)


@pytest.mark.parametrize(
    "name, subtype, suffix",
    [
        ("WAV", "PCM_24", ".wav"),
        ("WAV", "FLOAT", ".WAV"),
        ("FLAC", "PCM_16", ".flac"),
        ("OGG", "VORBIS", ".oga"),
        ("OGG", "OPUS", ".opus"),
        ("MP3", "MPEG_LAYER_III", ".mp3"),
        ("AIFF", "PCM_16", ".aif"),
        ("W64", "DOUBLE", ".w64"),
    ],
)
def test_own_format_is_kept(name, subtype, suffix):
    assert chosen(name, subtype, suffix) == AudioFormat(name, subtype, suffix)


@pytest.mark.parametrize(
    "name, subtype, rate, channels, expected",
    [
        ("MP3", "MPEG_LAYER_II", 16000, 1, "PCM_16"),
        ("WAV", "G721_32", 8000, 2, "PCM_16"),
        ("SD2", "PCM_24", 48000, 2, "PCM_24"),
        ("RAW", "FLOAT", 16000, 1, "FLOAT"),
    ],
)
def test_what_cannot_be_written_becomes_wav(name, subtype, rate, channels, expected):
    assert chosen(name, subtype, ".x", rate=rate, channels=channels) == AudioFormat("WAV", expected, ".wav", True)


@pytest.mark.parametrize(
    "subtype, choice, expected",
    [
        ("PCM_16", "flac", ("FLAC", "PCM_16", ".flac")),
        ("FLOAT", "flac", ("FLAC", "PCM_24", ".flac")),
        ("PCM_24", "flac", ("FLAC", "PCM_24", ".flac")),
        ("FLOAT", "w64", ("W64", "FLOAT", ".w64")),
        ("VORBIS", "wav", ("WAV", "PCM_16", ".wav")),
        ("PCM_24", "ogg", ("OGG", "VORBIS", ".ogg")),
        ("PCM_16", "opus", ("OGG", "OPUS", ".opus")),
        ("PCM_16", "mp3", ("MP3", "MPEG_LAYER_III", ".mp3")),
        ("ULAW", "aiff", ("AIFF", "PCM_16", ".aiff")),
        ("PCM_32", "caf", ("CAF", "PCM_32", ".caf")),
    ],
)
def test_format_by_option_keeps_the_resolution(subtype, choice, expected):
    assert chosen("X", subtype, ".x", choice) == AudioFormat(*expected)


def test_format_by_option_that_is_the_inputs_own_keeps_its_subtype():
    assert chosen("WAV", "ULAW", ".wave", "wav") == AudioFormat("WAV", "ULAW", ".wave")


@pytest.mark.parametrize("choice, rate, channels", [("mp3", 96000, 1), ("opus", 44100, 1), ("mp3", 16000, 6)])
def test_format_that_cannot_hold_it(choice, rate, channels):
    with pytest.raises(UserError, match=rf"--format {choice} cannot hold {channels} channel\(s\) at {rate} Hz"):
        chosen("WAV", "PCM_16", ".wav", choice, rate, channels)


def test_a_wav_too_large_to_count_its_bytes_becomes_rf64():
    assert chosen("WAV", "PCM_16", ".wav", num_samples=2**31 - 30000).name == "RF64"
    assert chosen("FLAC", "PCM_24", ".flac", "wav", channels=2, num_samples=10**9).name == "RF64"
    assert chosen("WAV", "PCM_16", ".wav", num_samples=2**30).name == "WAV"


def test_properties():
    assert AudioFormat("WAV", "PCM_24", ".wav").bits == 24 and AudioFormat("OGG", "VORBIS", ".ogg").bits is None
    assert not AudioFormat("WAV", "FLOAT", ".wav").has_limit and AudioFormat("MP3", "MPEG_LAYER_III", "").has_limit
    assert suffix_of("OGG", "OPUS") == ".opus" and suffix_of("FLAC", "PCM_16") == ".flac"
    assert not is_writable("WAV", "NO_SUCH", 16000, 1)
