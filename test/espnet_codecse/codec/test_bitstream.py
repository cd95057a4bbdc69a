"""Files of codes: every code comes back, and whatever is not such a file is refused in one line."""

import json
import struct
import zlib
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_codecs import save_mdct

from espnet_codecse.codec import load_codec
from espnet_codecse.codec.bitstream import BitstreamReader, BitstreamWriter, Header, bits_for
from espnet_codecse.errors import UserError

HEADER = Header(
    codec="small",
    fingerprint="0123456789abcdef",
    sample_rate=16000,
    hop=320,
    num_codebooks=3,
    bits_per_code=4,
    num_channels=2,
    num_frames=21,
    num_samples=6700,
    source_rate=44100,
    source_num_samples=18467,
    source_format="WAV",
    source_subtype="PCM_16",
)


def some_codes(header, seed=0):
    shape = (header.num_channels, header.num_codebooks, header.num_frames)
    return np.random.default_rng(seed).integers(0, 2**header.bits_per_code, shape)


@pytest.fixture
def file(tmp_path):
    with BitstreamWriter(tmp_path / "a.cse", HEADER) as writer:
        writer.write(some_codes(HEADER))
    return tmp_path / "a.cse"


def refused(path) -> str:
    with pytest.raises(UserError) as caught:
        BitstreamReader(path)
    message = str(caught.value)
    assert str(path) in message and "\n" not in message
    return message


@given(
    bits=st.integers(1, 20),
    channels=st.integers(1, 3),
    books=st.integers(1, 5),
    frames=st.integers(0, 50),
    step=st.integers(1, 20),
    start=st.integers(0, 50),
    count=st.integers(0, 50),
)
def test_every_code_comes_back(tmp_path_factory, bits, channels, books, frames, step, start, count):
    header = replace(HEADER, bits_per_code=bits, num_channels=channels, num_codebooks=books, num_frames=frames)
    codes = some_codes(header)
    path = tmp_path_factory.mktemp("codes") / "x.cse"
    with BitstreamWriter(path, header) as writer:
        for first in range(0, frames, step):
            writer.write(codes[..., first : first + step])
    assert path.stat().st_size == 10 + len(json.dumps(asdict(header))) + -(-bits * channels * books * frames // 8) + 4
    with BitstreamReader(path) as reader:
        assert reader.header == header
        start = min(start, frames)
        part = reader.read(start, count)
        assert part.dtype == np.int64 and np.array_equal(part, codes[..., start : start + count])


def test_layout_is_the_documented_one(file):
    data = file.read_bytes()
    magic, version, length = struct.unpack("<4sHI", data[:10])
    assert (magic, version) == (b"CSE\n", 1)
    assert json.loads(data[10 : 10 + length])["num_frames"] == 21
    payload = data[10 + length : -4]
    first, second = some_codes(HEADER)[0, 0, 0], some_codes(HEADER)[0, 1, 0]
    assert payload[0] == (first << 4 | second) and len(payload) == 21 * 2 * 3 * 4 // 8
    assert struct.unpack("<I", data[-4:])[0] == zlib.crc32(data[:-4])


def test_damage_is_noticed(file, tmp_path):
    data = file.read_bytes()
    bad = tmp_path / "bad.cse"
    for size in (0, 3, 5, 9, 10, 60, len(data) - 40, len(data) - 1):
        bad.write_bytes(data[:size])
        assert ("not a file of codes" if size < 4 else "truncated") in refused(bad)
    bad.write_bytes(b"RIFF" + data[4:])
    assert "not a file of codes" in refused(bad)
    bad.write_bytes(data[:4] + struct.pack("<H", 2) + data[6:])
    assert "version 2, this program reads 1; update" in refused(bad)
    bad.write_bytes(data[:6] + struct.pack("<I", 1 << 31) + data[10:])
    assert "header claims" in refused(bad)
    bad.write_bytes(data + b"\0")
    assert "1 bytes too many" in refused(bad)
    for position in (len(data) - 20, len(data) - 2):
        bad.write_bytes(data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :])
        assert "checksum" in refused(bad)
    assert "cannot be read" in refused(tmp_path / "none.cse")


@pytest.mark.parametrize(
    "change",
    [
        {"num_frames": -1},
        {"hop": 0},
        {"bits_per_code": 33},
        {"num_frames": "21"},
        {"num_frames": 2.0},
        {"num_codebooks": True},
        {"codec": None},
        {"num_channels": 10**9},
    ],
)
def test_senseless_headers_are_refused(tmp_path, change):
    text = json.dumps({**asdict(HEADER), **change}).encode()
    (tmp_path / "bad.cse").write_bytes(struct.pack("<4sHI", b"CSE\n", 1, len(text)) + text + b"\0" * 100)
    assert "header is not readable" in refused(tmp_path / "bad.cse")


@pytest.mark.parametrize("text", [b"[1]", b"{", b"\xff\xfe", b"[" * 50000, b"null"])
def test_headers_that_are_no_object_are_refused(tmp_path, text):
    (tmp_path / "bad.cse").write_bytes(struct.pack("<4sHI", b"CSE\n", 1, len(text)) + text + b"\0" * 100)
    assert "header is not readable" in refused(tmp_path / "bad.cse")


def test_a_huge_claim_reads_nothing(tmp_path):
    text = json.dumps({**asdict(HEADER), "num_frames": 10**15}).encode()
    (tmp_path / "bad.cse").write_bytes(struct.pack("<4sHI", b"CSE\n", 1, len(text)) + text + b"\0" * 100)
    assert "truncated" in refused(tmp_path / "bad.cse")


def test_another_codec_is_refused(tmp_path):
    codec = load_codec(str(save_mdct(tmp_path / "codec")))
    fitting = replace(
        HEADER,
        fingerprint=codec.fingerprint,
        num_codebooks=codec.num_codebooks,
        bits_per_code=bits_for(codec.codebook_size),
    )

    def check(header):
        with BitstreamWriter(tmp_path / "a.cse", header) as writer:
            writer.write(some_codes(header))
        with BitstreamReader(tmp_path / "a.cse") as reader:
            reader.check_codec(codec)

    check(fitting)
    check(replace(fitting, num_codebooks=1))
    with pytest.raises(UserError, match="made with the codec 'small' 0{16}, but .* is " + codec.fingerprint):
        check(replace(fitting, fingerprint="0" * 16))
    for change in ({"hop": 160}, {"num_frames": 22}, {"num_codebooks": 4}, {"bits_per_code": 5}, {"sample_rate": 8000}):
        with pytest.raises(UserError, match="contradicts"):
            check(replace(fitting, **change))


def test_what_does_not_fit_is_not_written(tmp_path):
    wrong_shapes = (np.zeros((1, 3, 21), int), np.zeros((2, 3, 20), int))
    for codes in (np.full((2, 3, 21), 16), np.full((2, 3, 21), -1), *wrong_shapes):
        with pytest.raises(ValueError), BitstreamWriter(tmp_path / "a.cse", HEADER) as writer:
            writer.write(codes)


def test_bits():
    assert [bits_for(size) for size in (1, 2, 3, 4, 1000, 1024, 1025)] == [1, 1, 2, 2, 10, 10, 11]


def test_lengths_that_contradict_each_other(tmp_path):
    """What decodes the file allocates by the recording's length: 430 bytes must not ask for gigabytes."""
    header = replace(HEADER, source_num_samples=1_000_000_000)
    with BitstreamWriter(tmp_path / "x.cse", header) as writer:
        writer.write(some_codes(header))
    with pytest.raises(UserError, match="its header contradicts itself: 1000000000 samples"):
        BitstreamReader(tmp_path / "x.cse")
