"""Tags and channel masks that outputs take over, and what is said of the rest."""

import struct

import numpy as np
import pytest
import soundfile

from espnet_codecse.audio import open_audio
from espnet_codecse.bin.main import main

TEXTS = {"title": "Größe", "artist": "A. N. Other", "comment": "a take"}


@pytest.fixture
def enhance(tmp_path, model, capsys):
    """Return a function that runs the command from ``in`` to ``out`` and returns its standard output."""

    def enhance(*options):
        arguments = [str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--model", model, *options]
        assert main(["enhance", *arguments]) == 0
        return capsys.readouterr().out

    return enhance


def write(path, channels=1, form=None, subtype=None, **texts):
    path.parent.mkdir(exist_ok=True)
    samples = 0.1 * np.random.default_rng(0).standard_normal((8000, channels))
    with soundfile.SoundFile(path, "w", 16000, channels, subtype, format=form) as file:
        for name, text in texts.items():
            setattr(file, name, text)
        file.write(samples)
    return path


def texts(path):
    with open_audio(path) as file:
        return file.texts


def lines(out):
    return [line for line in out.splitlines() if line.startswith("not kept")]


def test_tags_are_kept(tmp_path, enhance):
    names = ("a.wav", "a.flac", "a.ogg", "a.mp3", "a.aiff", "a.caf")
    for index, name in enumerate(names):
        write((tmp_path / "in" / name).with_stem(f"{index}"), **TEXTS, software="another program")
    out = enhance()
    assert not lines(out)
    for index, name in enumerate(names):
        assert texts((tmp_path / "out" / name).with_stem(f"{index}")) == TEXTS
    assert soundfile.info(tmp_path / "out" / "0.wav").frames == 8000


def test_tags_that_another_format_does_not_know(tmp_path, enhance):
    write(tmp_path / "in" / "a.flac", **TEXTS, date="2020-01-02")
    write(tmp_path / "in" / "b.flac")
    assert lines(enhance("--format", "w64")) == ["not kept from the recordings: tags (1 file)"]
    assert lines(enhance("--format", "aiff")) == ["not kept from the recordings: tags (1 file)"]
    assert texts(tmp_path / "out" / "a.aiff") == TEXTS
    assert lines(enhance("--format", "wav")) == []
    assert texts(tmp_path / "out" / "a.wav") == {**TEXTS, "date": "2020-01-02"}


def test_tags_of_an_mp3_without_a_length_header(tmp_path):
    path = write(tmp_path / "in" / "a.mp3", **TEXTS)
    data = path.read_bytes()
    name = b"Xing" if b"Xing" in data else b"Info"
    assert data.count(name) == 1
    path.write_bytes(data.replace(name, bytes(4)))
    assert texts(path) == TEXTS


def chunk(name, content):
    return name + struct.pack("<I", len(content)) + content


def test_what_is_not_kept_is_said_once(tmp_path, enhance):
    for name in ("a", "b"):
        path = write(tmp_path / "in" / f"{name}.wav")
        path.write_bytes(path.read_bytes() + chunk(b"bext", bytes(602)) + chunk(b"LIST", b"adtl"))
    path = write(tmp_path / "in" / "c.flac")
    data = path.read_bytes()
    path.write_bytes(data[:42] + b"\x06" + (32).to_bytes(3, "big") + bytes(32) + data[42:])  # after the first block
    assert lines(enhance()) == [
        "not kept from the recordings: LIST adtl chunk (2 files), bext chunk (2 files), cover (1 file)"
    ]


@pytest.mark.parametrize("mask", [0x3F, 0x60F, 0])
def test_channel_mask(tmp_path, enhance, mask):
    path = write(tmp_path / "in" / "a.wav", channels=6, form="WAVEX", subtype="PCM_24")
    data = bytearray(path.read_bytes())
    position = data.index(b"fmt ") + 28
    assert struct.unpack_from("<I", data, position)
    struct.pack_into("<I", data, position, mask)
    path.write_bytes(data)
    assert not lines(enhance())
    with open_audio(tmp_path / "out" / "a.wav") as file:
        assert (file.format, file.subtype, file.num_channels) == ("WAVEX", "PCM_24", 6)
        assert file.channel_mask == (mask or 0x3F)
    expected = ["not kept from the recordings: channel mask (1 file)"] if mask else []
    assert lines(enhance("--format", "flac")) == expected
    assert not lines(enhance("--mono", "--format", "flac"))
