"""Headers that leave the length open, announce too much, or are absurd; chained Ogg files; names of any bytes."""

import os
import random
import struct

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from espnet_codecse.audio import audio_info, read_audio, read_audio_bytes
from espnet_codecse.container.byte_ranges import ByteRanges
from espnet_codecse.errors import UserError


def patched(data: bytes, position: int, value: bytes) -> bytes:
    return data[:position] + value + data[position + len(value) :]


def check_read(path, expected: np.ndarray) -> None:
    samples = read_audio(path)[0]
    assert audio_info(path)[0] == len(samples) and np.array_equal(samples[:, 0], expected)
    assert np.array_equal(read_audio(path, 1000, 50)[0][:, 0], expected[1000:1050])


@pytest.mark.parametrize(
    "name, options, mark, offset, values",
    [
        ("a.wav", {}, b"data", 4, [struct.pack("<I", size) for size in (0, 2**31, 2**32 - 1, 2**32 - 37)]),
        ("a.wav", {"subtype": "FLOAT"}, b"data", 4, [bytes(4)]),
        ("a.wav", {"format": "RF64"}, b"ds64", 16, [bytes(8), b"\xff" * 8]),
        ("a.w64", {}, b"data", 16, [bytes(8), struct.pack("<Q", 24), b"\xff" * 8]),
        ("a.aiff", {}, b"SSND", 4, [struct.pack(">I", size) for size in (0, 8, 2**32 - 1)]),
        ("a.au", {}, b".snd", 8, [bytes(4), b"\xff" * 4]),
        ("a.caf", {}, b"data", 4, [bytes(8), b"\xff" * 8]),
        ("a.flac", {}, b"fLaC", 22, [bytes(4)]),
    ],
)
def test_recorder_that_was_killed_and_pipe(write, name, options, mark, offset, values):
    path, data = write(name, 100000, **options)
    expected = soundfile.read(path, dtype="float32")[0]
    for value in values:
        path.write_bytes(patched(data, data.index(mark) + offset, value))
        check_read(path, expected)


@pytest.mark.parametrize(
    "name, options",
    [
        ("a.wav", {}),
        ("a.wav", {"subtype": "GSM610"}),
        ("a.wav", {"format": "RF64"}),
        ("a.wav", {"format": "WAVEX", "subtype": "PCM_24"}),
        ("a.w64", {}),
        ("a.aiff", {}),
        ("a.aifc", {"format": "AIFF", "subtype": "FLOAT"}),
        ("a.au", {}),
        ("a.caf", {}),
        ("a.sph", {"format": "NIST"}),
        ("a.voc", {}),
    ],
)
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_cut_short(write, name, options, share):
    path, data = write(name, 100000, channels=1, **options)
    path.write_bytes(data[: int(share * len(data))])
    for function in (read_audio, audio_info):
        with pytest.raises(UserError, match=rf"{name}: cut short: \d+ of \d+ bytes of audio are there; copy it again$"):
            function(path)


def test_size_that_counts_the_header_too(write):
    path, data = write("a.wav", 2000)
    path.write_bytes(patched(data, data.index(b"data") + 4, struct.pack("<I", len(data))))
    check_read(path, soundfile.read(path, dtype="float32")[0])
    assert audio_info(path)[0] == 2000


def test_no_samples_is_not_an_unknown_number(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros(0), 16000)
    data = path.read_bytes()
    assert audio_info(path)[0] == 0
    path.write_bytes(data + b"LIST\x04\0\0\0INFO")
    assert audio_info(path)[0] == 0


@pytest.mark.parametrize("num_samples", [160, 320, 4000, 4160, 9600])
def test_gsm_has_the_samples_that_were_written(write, num_samples):
    path, _ = write("a.wav", num_samples, 8000, subtype="GSM610")
    assert audio_info(path)[0] == len(read_audio(path)[0]) == num_samples


@pytest.mark.parametrize("rate, is_absurd", [(1, True), (999, True), (1000, False), (768000, False), (768001, True)])
def test_absurd_rates(write, rate, is_absurd):
    path, data = write("a.wav", 3000)
    path.write_bytes(patched(data, 24, struct.pack("<I", rate)))
    if is_absurd:
        with pytest.raises(UserError, match=f"a.wav: a sample rate of {rate} Hz is not between 1000 and 768000"):
            read_audio(path)
    else:
        assert audio_info(path) == (3000, rate, 1)


@pytest.mark.parametrize("name, options", [("a.ogg", {}), ("a.opus", {"format": "OGG", "subtype": "OPUS"})])
def test_chained_ogg(write, name, options):
    path, data = write(name, 50000, channels=2, **options)
    expected = read_audio(path)[0]
    path.write_bytes(data + data)
    assert audio_info(path)[0] == 100000
    assert np.array_equal(read_audio(path)[0], np.concatenate([expected, expected]))
    assert np.allclose(read_audio(path, 70000, 100)[0], expected[20000:20100], atol=2e-3)


def test_name_that_is_no_utf8(write, tmp_path):
    path, data = write("a.wav")
    odd = os.path.join(os.fsencode(tmp_path), b"caf\xe9.wav")
    with open(odd, "wb") as stream:
        stream.write(data)
    assert np.array_equal(read_audio(os.fsdecode(odd))[0], read_audio(path)[0])


def test_parts_of_a_file(tmp_path):
    (tmp_path / "a").write_bytes(bytes(range(100)))
    with ByteRanges(tmp_path / "a", [b"xy", (10, 20), b"", (50, 53)]) as ranges:
        whole = b"xy" + bytes(range(10, 20)) + bytes(range(50, 53))
        assert ranges.read() == whole and ranges.seek(0, os.SEEK_END) == 15
        ranges.seek(1)
        assert ranges.read(3) == whole[1:4] and ranges.tell() == 4


FORMATS = {
    "wav": "WAV",
    "w64": "W64",
    "aiff": "AIFF",
    "au": "AU",
    "caf": "CAF",
    "flac": "FLAC",
    "ogg": "OGG",
    "mp3": "MP3",
}


@pytest.mark.parametrize("suffix", FORMATS)
def test_damaged_files_are_read_or_refused_in_one_line(write, suffix):
    chance = random.Random(suffix)
    path, whole = write(f"a.{suffix}", 6000, channels=2, format=FORMATS[suffix])
    for _ in range(40):
        data = bytearray(whole)
        for _ in range(chance.choice([1, 1, 3])):
            at = chance.randrange(min(len(data), chance.choice([64, 200, len(data)])))
            kind = chance.randrange(5)
            if kind == 0:
                data[at] ^= 1 << chance.randrange(8)
            elif kind == 1:
                del data[max(8, at) :]
            elif kind == 2:
                data[at : at + 4] = chance.choice([b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff", b"\0\0\0\x80"])
            elif kind == 3:
                data[at:at] = chance.randbytes(chance.randrange(2000))
            else:
                data += data[at:]
        path.write_bytes(data)
        try:
            samples, rate = read_audio(path)
        except UserError as error:
            assert str(error).startswith(f"{path}: ") and "\n" not in str(error)
        else:
            assert samples.ndim == 2 and 1000 <= rate <= 768000 and len(samples) <= 10 * 6000 + 4 * len(data)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["WAV", "W64", "RF64", "AIFF", "AU", "CAF", "FLAC", "WAVEX", "NIST"]),
    st.integers(1, 5000),
    st.sampled_from([8000, 11025, 44100, 96000]),
    st.integers(1, 3),
    st.integers(0, 5000),
)
def test_any_length_rate_and_number_of_channels(write, form, num_samples, rate, channels, start):
    path, _ = write("a.x", num_samples, rate, channels, format=form, subtype="PCM_16")
    assert audio_info(path) == (num_samples, rate, channels)
    samples = read_audio(path)[0]
    assert samples.shape == (num_samples, channels)
    assert np.array_equal(read_audio(path, min(start, num_samples))[0], samples[start:])


def test_content_without_a_file_is_read_in_the_same_way(write):
    path, data = write("a.wav", 2000)
    samples, rate = read_audio_bytes(data, ".wav")
    np.testing.assert_array_equal(samples, read_audio(path)[0])
    assert rate == read_audio(path)[1]
    with pytest.raises(UserError, match=r"^cut short: \d+ of \d+ bytes of audio are there"):
        read_audio_bytes(data[: len(data) // 3], ".wav")


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_U8", "ULAW"])
@pytest.mark.parametrize("num_samples", [1, 100000])
def test_whole_voc_files(tmp_path, num_samples, subtype, channels):
    soundfile.write(tmp_path / "a.voc", np.zeros((num_samples, channels)), 16000, subtype=subtype)
    assert len(read_audio(tmp_path / "a.voc")[0]) == soundfile.info(tmp_path / "a.voc").frames >= num_samples
