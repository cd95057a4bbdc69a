"""Samples on standard input, with and without the header of a wav file."""

import io
import struct
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from espnet_codecse.errors import UserError
from espnet_codecse.recording.pcm import open_source

RATE = 16000


def samples_of(monkeypatch, content: bytes, size: int = 7) -> np.ndarray:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content)))
    found = []
    with open_source("-", RATE) as read:
        while len(piece := read(size)):
            found.append(piece)
    return np.concatenate(found) if found else np.zeros(0, np.float32)


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
        (b"\0" * 41, "ends in half a sample"),
        (wav(np.zeros(9), 48000), "a wav stream of 1 channel.s. at 48000 Hz with 16 bits.*-f S16_LE -c 1 -r 16000"),
        (wav(np.zeros((9, 2))), "2 channel"),
        (wav(np.zeros(9), subtype="FLOAT"), "with 32 bits"),
        (wav(np.zeros(9))[:30], "damaged; send raw samples"),
        (b"RIFF\0\0\0\0WAVE" + b"junk\0\0\0\0" * 200, "damaged"),
    ],
)
def test_what_cannot_be_streamed(monkeypatch, content, message):
    with pytest.raises(UserError, match=message):
        samples_of(monkeypatch, content)
