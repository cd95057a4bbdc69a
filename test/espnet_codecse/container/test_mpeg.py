"""mp3s without a length header, joined ones, and headers that count wrongly."""

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from espnet_codecse.audio import audio_info, open_audio, read_audio
from espnet_codecse.container.mpeg import find_streams, read_frame
from espnet_codecse.errors import UserError

VARIABLE = {"format": "MP3", "subtype": "MPEG_LAYER_III", "bitrate_mode": "VARIABLE"}
CONSTANT = {**VARIABLE, "bitrate_mode": "CONSTANT"}
DELAY = 529  # samples by which a decoder's output begins later where no header says so
ID3V2 = b"ID3\4\0\0\0\0\x10\0" + bytes(2048)
ID3V1 = b"TAG" + bytes(125)


def without_length(data: bytes) -> bytes:
    return data[read_frame(data[:4]).num_bytes :]


def with_count(data: bytes, change: int) -> bytes:
    """Change the number of frames in the length header."""
    at = max(data.find(b"Xing"), data.find(b"Info")) + 8
    count = int.from_bytes(data[at : at + 4], "big") + change
    return data[:at] + count.to_bytes(4, "big") + data[at + 4 :]


def num_read(path) -> int:
    """Return the samples that are read, which must be those that the file is said to have."""
    samples = read_audio(path)[0]
    assert len(samples) == audio_info(path)[0] and np.abs(samples).max() > 0.2
    return len(samples)


@pytest.mark.slow
@pytest.mark.parametrize("options", [VARIABLE, CONSTANT], ids=["variable", "constant"])
@pytest.mark.parametrize("rate, frame", [(44100, 1152), (16000, 576)])
def test_length_without_a_header(write, options, rate, frame):
    path, data = write("a.mp3", 20 * rate, rate, 2, **options)
    assert num_read(path) == 20 * rate
    path.write_bytes(without_length(data))
    assert 20 * rate <= num_read(path) <= 20 * rate + 3 * frame
    path.write_bytes(ID3V2 + without_length(data) + ID3V1)
    assert 20 * rate <= num_read(path) <= 20 * rate + 3 * frame


def test_joined(write):
    (path, first), (_, second) = write("a.mp3", 200000, 44100, **VARIABLE), write("b.mp3", 90001, 44100, **CONSTANT)
    path.write_bytes(first + second)
    assert num_read(path) == 290001
    joined = read_audio(path)[0]
    assert np.array_equal(joined[200000:], read_audio(path.with_name("b.mp3"))[0])
    for start, count in ((150000, 100000), (199000, 2000), (200000, 10), (250000, 40001)):
        assert np.allclose(read_audio(path, start, count)[0], joined[start : start + count], atol=1e-6)
    path.write_bytes(first + ID3V1 + ID3V2 + second + ID3V1)
    assert num_read(path) == 290001
    path.write_bytes(first + without_length(second))
    assert num_read(path) == 200000 + find_streams(path)[1].num_frames * 1152 - DELAY


@pytest.mark.parametrize("options", [VARIABLE, CONSTANT], ids=["variable", "constant"])
def test_blocks_are_the_whole(write, options):
    path, _ = write("a.mp3", 200000, 44100, **options)
    with open_audio(path) as file:
        blocks = [file.read(3000) for _ in range(67)]
    assert np.array_equal(np.concatenate(blocks), soundfile.read(path, dtype="float32", always_2d=True)[0])


def test_joined_recordings_of_different_rates_are_refused(write):
    (path, first), (_, second) = write("a.mp3", 90000, 44100, **VARIABLE), write("b.mp3", 90000, 22050, **VARIABLE)
    path.write_bytes(first + second)
    with pytest.raises(UserError, match=r"a.mp3: joined from files of 1 channel\(s\) at 44100 Hz and 1 at 22050 Hz"):
        read_audio(path)


def test_bytes_between_frames_are_passed_over(write):
    path, data = write("a.mp3", 200000, 44100, **VARIABLE)
    middle = find_streams(path)[0].ranges[0][0] + len(data) // 2
    path.write_bytes(data[:middle] + b"\xff" * 5000 + data[middle:])
    # A frame is lost where the bytes begin, and the header counts it: fewer than the tolerance.
    assert abs(num_read(path) - 200000) <= 3 * 1152


@pytest.mark.parametrize("change", [-3, -1, 1, 3])
def test_header_that_counts_almost_right(write, change):
    path, data = write("a.mp3", 200000, 44100, **VARIABLE)
    path.write_bytes(with_count(data, change))
    assert abs(num_read(path) - 200000) <= 4 * 1152


def test_cut_short(write):
    path, data = write("a.mp3", 200000, 44100, **VARIABLE)
    path.write_bytes(data[: len(data) // 2])
    for function in (read_audio, audio_info):
        with pytest.raises(UserError, match=r"a.mp3: cut short: \d+ of 175 frames of audio are there; copy it again"):
            function(path)


def test_layer_2(tmp_path):
    header = b"\xff\xfd\x80\xc0"  # 128 kbit/s, 44.1 kHz, mono
    frame = header + bytes(read_frame(header).num_bytes - 4)
    (tmp_path / "a.mp2").write_bytes(ID3V2 + 500 * frame)
    num_samples, rate, channels = audio_info(tmp_path / "a.mp2")
    assert (num_samples, rate, channels) == (500 * 1152, 44100, 1)
    assert abs(len(read_audio(tmp_path / "a.mp2")[0]) - num_samples) <= 1152


def test_other_files_have_no_streams(write, tmp_path):
    assert find_streams(write("a.wav")[0]) == []
    (tmp_path / "x.mp3").write_bytes(bytes(5000))
    assert find_streams(tmp_path / "x.mp3", anywhere=True) == []
    assert read_frame(b"\xff\xf1\x50\x80") is None  # AAC
    assert read_frame(b"\xff") is None


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.integers(1, 60000),
    st.sampled_from([8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000]),
    st.integers(1, 2),
    st.sampled_from(["VARIABLE", "CONSTANT", "AVERAGE"]),
)
def test_any_length_and_rate(write, num_samples, rate, channels, mode):
    path, data = write("a.mp3", num_samples, rate, channels, **{**VARIABLE, "bitrate_mode": mode})
    assert audio_info(path) == (num_samples, rate, channels)
    path.write_bytes(data + data)
    assert audio_info(path)[0] == len(read_audio(path)[0]) == 2 * num_samples
