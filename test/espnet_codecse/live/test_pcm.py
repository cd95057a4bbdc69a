"""Samples on standard input, with and without the header of a wav file."""

import io
import struct
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from espnet_codecse.errors import UserError
from espnet_codecse.live.pcm import open_sink, open_source

RATE = 16000


def samples_of(monkeypatch, content: bytes, size: int = 7, rate: int = RATE, channels: int = 1) -> np.ndarray:
    """All samples; of standard input whose raw samples would be as told, and which must be at ``rate``."""
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content)))
    with open_source("-", rate, channels) as source:
        assert source.sample_rate == rate
        found = [np.zeros((0, source.num_channels), np.float32)]
        while len(piece := source.read(size)):
            found.append(piece)
    samples = np.concatenate(found)
    return samples[:, 0] if samples.shape[1] == 1 else samples


def wav(samples: np.ndarray, rate: int = RATE, subtype: str = "PCM_16", form: str = "WAV") -> bytes:
    stream = io.BytesIO()
    soundfile.write(stream, samples, rate, subtype=subtype, format=form)
    return stream.getvalue()


@pytest.mark.parametrize("num_samples", [0, 1, 5, 6, 7, 5003])
@pytest.mark.parametrize("size", [1, 7, 320])
def test_raw(monkeypatch, num_samples, size):
    samples = np.random.default_rng(0).integers(-32768, 32768, num_samples).astype("<i2")
    np.testing.assert_array_equal(samples_of(monkeypatch, samples.tobytes(), size) * 32768, samples)


@pytest.mark.parametrize("form", ["WAV", "WAVEX"])
@pytest.mark.parametrize("announced", ["exact", 0, 0x7FFFFFDB, 0xFFFFFFFF])
def test_wav_header_is_no_sound(monkeypatch, form, announced):
    samples = np.random.default_rng(0).integers(-32768, 32768, 5003).astype("<i2")
    content = wav(samples, form=form)
    start = content.index(b"data") + 8
    if announced == "exact":
        content = content[: start + 2 * len(samples)] + b"LIST\4\0\0\0INFO"
    else:
        content = content[: start - 4] + struct.pack("<I", announced) + content[start : start + 2 * len(samples)]
    np.testing.assert_array_equal(samples_of(monkeypatch, content) * 32768, samples)


@pytest.mark.parametrize(
    "content, message",
    [
        (b"\0" * 41, "ends within a sample; send 16 bits, 1 channel"),
        (wav(np.zeros((9, 2)), 48000, "FLOAT"), "2 channel.s. at 48000 Hz with 32 bits, but 16-bit.*-f S16_LE"),
        (wav(np.zeros(9), subtype="PCM_24"), "with 24 bits"),
        (wav(np.zeros(9))[:30], "damaged; send raw samples"),
        (b"RIFF\0\0\0\0WAVE" + b"junk\0\0\0\0" * 200, "damaged"),
    ],
)
def test_what_cannot_be_streamed(monkeypatch, content, message):
    with pytest.raises(UserError, match=message):
        samples_of(monkeypatch, content)


@pytest.mark.parametrize("form", ["raw", "WAV"])
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_other_rates_and_channels(monkeypatch, form, channels):
    samples = np.random.default_rng(0).integers(-32768, 32768, (500, channels)).astype("<i2")
    content = samples.tobytes() if form == "raw" else wav(samples, 44100)
    found = samples_of(monkeypatch, content, rate=44100, channels=channels if form == "raw" else 5)
    np.testing.assert_array_equal(found.reshape(500, channels) * 32768, samples)


def test_files_of_any_rate_and_number_of_channels(tmp_path):
    samples = (np.random.default_rng(0).integers(-32768, 32768, (500, 2)) / 32768).astype(np.float32)
    with open_sink(str(tmp_path / "x.wav"), 8000, 2) as sink:
        assert sink.sample_rate == 8000
        for piece in np.split(samples, [7, 100]):
            sink.write(piece)
    with open_source(str(tmp_path / "x.wav")) as source:
        assert (source.sample_rate, source.num_channels) == (8000, 2)
        pieces = [source.read(333) for _ in range(3)]
    np.testing.assert_array_equal(np.concatenate(pieces), samples)
    assert [len(piece) for piece in pieces] == [333, 167, 0]
    with pytest.raises(UserError, match="outputs are .wav, .flac or -"), open_sink("x.mp3", 8000, 1):
        pass
