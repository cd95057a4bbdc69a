"""One utterance on disk: the sound that the page plays is the sound of the files, and pictures share their scales."""

import base64
import io
import json
import os

import numpy as np
import pytest
import soundfile
from PIL import Image

from espnet_codecse.errors import UserError
from espnet_codecse.report.page.clip import clip_name, make_clip, read_clip
from espnet_codecse.report.page.versions import Version

RATE = 8000


@pytest.fixture(name="versions")
def two_speakers(tmp_path, voice):
    """A mixture, a system that swaps its speakers, at another rate than the rest, and the references."""
    clean = [voice(RATE, seed, RATE) for seed in (1, 2)]
    signals = {"noisy": clean[0] + clean[1], "first": clean[0], "second": clean[1]}
    for name, signal in signals.items():
        soundfile.write(tmp_path / f"{name}.wav", signal, RATE)
    for name, signal in (("out1", clean[1]), ("out2", clean[0])):
        soundfile.write(tmp_path / f"{name}.wav", np.repeat(signal, 2), 2 * RATE)
    paths = [("noisy",), ("out1", "out2"), ("first", "second")]
    labels = [("noisy", 0), ("system", 1), ("clean", None)]
    return [
        Version(label, system, tuple(str(tmp_path / f"{name}.wav") for name in names))
        for (label, system), names in zip(labels, paths)
    ]


def sounds_of(folder):
    name, encoded = json.loads(f"[{(folder / 'audio.js').read_text().strip()[len('receiveSound(') : -2]}]")
    assert name == folder.name
    return [soundfile.read(io.BytesIO(base64.b64decode(text))) for text in encoded]


@pytest.mark.slow
def test_sounds_are_those_of_the_files_in_the_order_of_the_references(tmp_path, versions):
    make_clip(tmp_path / "clips/u-1", versions, 30.0)
    clip, sounds = read_clip(tmp_path / "clips/u-1"), sounds_of(tmp_path / "clips/u-1")
    spoken = [(sound["version"], sound["speaker"]) for sound in clip["sounds"]]
    assert spoken == [(0, 0), (1, 1), (1, 2), (2, 1), (2, 2)]
    assert clip["seconds"] == 1.0 and clip["rate"] == 2 * RATE
    files = [versions[0].paths[0], *versions[1].paths[::-1], *versions[2].paths]  # the system's were swapped
    for (samples, rate), described, path in zip(sounds, clip["sounds"], files):
        expected, expected_rate = soundfile.read(path)
        assert rate == expected_rate
        np.testing.assert_array_equal(samples, expected)
        assert described["rms"] == pytest.approx(np.sqrt(np.mean(expected**2)), abs=1e-5)


def test_waveforms_and_pictures_share_one_scale(tmp_path):
    tone = 0.4 * np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE)
    for name, factor in (("loud", 1.0), ("soft", 0.1)):
        soundfile.write(tmp_path / f"{name}.wav", factor * tone, RATE, subtype="FLOAT")
    soundfile.write(tmp_path / "half.wav", tone[: RATE // 2], RATE)
    make_clip(
        tmp_path / "u", [Version(name, None, (str(tmp_path / f"{name}.wav"),)) for name in ("loud", "soft", "half")], 30
    )
    sounds = read_clip(tmp_path / "u")["sounds"]
    peaks = [np.frombuffer(base64.b64decode(sound["peaks"]), dtype=np.int8) for sound in sounds]
    assert [int(values.max()) for values in peaks] == [127, 13, 127] and peaks[0].min() == -127
    assert [len(values) for values in peaks] == [1000, 1000, 500] and sounds[2]["share"] == 0.5
    pictures = [np.asarray(Image.open(tmp_path / f"u/{index}.webp").convert("L"), float) for index in range(2)]
    brightest = [picture.mean(axis=1).argmax() for picture in pictures]
    height = pictures[0].shape[0]
    assert all(abs((height - 1 - row) * RATE / 2 / (height - 1) - 1000) < 40 for row in brightest)
    assert pictures[0].max() > 1.2 * pictures[1].max()  # 20 dB less is darker, not normalised away


def test_long_recordings_are_cut_and_empty_ones_refused(tmp_path):
    soundfile.write(tmp_path / "long.wav", np.full(5 * RATE, 0.1), RATE)
    make_clip(tmp_path / "u", [Version("noisy", 0, (str(tmp_path / "long.wav"),))], 2.0)
    assert read_clip(tmp_path / "u")["seconds"] == 2.0 and len(sounds_of(tmp_path / "u")[0][0]) == 2 * RATE
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), RATE)
    with pytest.raises(UserError, match="empty.wav: holds no samples"):
        make_clip(tmp_path / "v", [Version("noisy", 0, (str(tmp_path / "empty.wav"),))], 2.0)
    assert not (tmp_path / "v").exists() and read_clip(tmp_path / "v") == {}


def test_the_name_is_safe_and_changes_with_the_files(versions):
    name = clip_name("a/b", "../ü x", versions, 30.0)
    assert name.startswith("a_b_.._") and "/" not in name and name.isascii() and " " not in name
    assert name == clip_name("a/b", "../ü x", versions, 30.0) != clip_name("a/b", "../ü x", versions, 20.0)
    os.utime(versions[0].paths[0], ns=(0, 0))
    assert name != clip_name("a/b", "../ü x", versions, 30.0)
