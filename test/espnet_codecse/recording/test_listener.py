"""What ``codecse enhance`` says of recordings without speech, of steady tones, and of a band that is lost."""

import subprocess
import sys

import numpy as np
import pytest
import soundfile
from voices import spoken

from espnet_codecse.bin.main import main
from espnet_codecse.recording.listener import BAND, NO_SPEECH, TONES, Listener, group_notices

RATE = 16000


def chords(num_samples, rate=RATE):
    """Music: three notes and their harmonics, new ones each half second."""
    rng, time = np.random.default_rng(0), np.arange(num_samples) / rate
    signal = np.zeros(num_samples)
    for start in np.arange(0, num_samples / rate, 0.5):
        decay = np.where(time >= start, np.exp(-(time - start) / 0.6), 0.0)
        for note in 110 * 2 ** (rng.integers(0, 30, 3) / 12):
            signal += sum(decay * np.sin(2 * np.pi * note * k * (time - start)) / k for k in range(1, 7))
    return (0.05 * signal).astype(np.float32)


def noise(num_samples):
    return (0.05 * np.random.default_rng(0).standard_normal(num_samples)).astype(np.float32)


@pytest.fixture(scope="module")
def speech():
    """Sentences of three synthesised voices."""
    return [spoken(voice=name) for name in ("en-us", "en+f2", "en+victor")]


def notices(signal, kept=1.0, block=5000, rate=RATE):
    listener = Listener(RATE, rate)
    for start in range(0, len(signal), block):
        part = signal[start : start + block]
        listener.hear_file(part[:, None])
        listener.hear_input(part[None])
        listener.hear_output(kept * part[None, None])
    return listener.notices


def test_speech_is_not_remarked_upon(speech):
    assert len(speech) == 3
    for samples in speech:
        assert len(samples) > 3 * RATE and notices(samples) == ()
    assert notices(noise(5 * RATE)) == notices(np.zeros(5 * RATE, np.float32)) == notices(np.zeros(0)) == ()


@pytest.mark.parametrize("block", [333, 5000, 80000])
def test_no_speech_is_what_a_model_removes_nearly_all_of(block):
    assert notices(noise(5 * RATE), kept=0.1, block=block) == (NO_SPEECH,)
    assert notices(noise(5 * RATE), kept=0.3, block=block) == ()
    assert notices(noise(200), kept=0.1) == ()  # too short to say


@pytest.mark.parametrize("block", [333, 5000, 80000])
def test_steady_tones(speech, block):
    assert notices(chords(8 * RATE), block=block) == (TONES,)
    assert notices(speech[0] + 0.1 * chords(len(speech[0])), block=block) == ()
    whole, parts, music = Listener(RATE, RATE), Listener(RATE, RATE), chords(8 * RATE)
    whole.hear_input(music[None])
    for start in range(0, len(music), block):
        parts.hear_input(music[None, start : start + block])
    assert parts._tones.share == pytest.approx(whole._tones.share, rel=1e-6)


def test_a_band_that_holds_nothing_is_not_lost(voice):
    listener = [Listener(RATE, 48000) for _ in range(2)]
    low = voice(48000, rate=48000)[:, None]
    listener[0].hear_file(low)
    listener[1].hear_file(low + 0.01 * noise(48000)[:, None])
    assert [item.notices for item in listener] == [(), (BAND.format(8),)]
    assert "8 kHz" in BAND.format(8)
    kept = Listener(RATE, 48000, full_band=True)
    kept.hear_file(low + 0.01 * noise(48000)[:, None])
    assert kept.notices == ()


def test_a_line_names_three_recordings():
    lines = group_notices([(f"{number}.wav", (NO_SPEECH, TONES)[: 1 + (number == 1)]) for number in range(5)])
    assert lines == [f"0.wav, 1.wav, 2.wav and 2 more: {NO_SPEECH}", f"1.wav: {TONES}"]
    assert group_notices([("a.wav", ())]) == []


@pytest.mark.slow
def test_the_command_says_so_once(tmp_path, capsys):
    for name in ("fan.wav", "hiss.wav"):
        soundfile.write(tmp_path / name, noise(4 * RATE), RATE)
    soundfile.write(tmp_path / "song.wav", chords(6 * RATE), RATE)
    soundfile.write(tmp_path / "wide.wav", noise(3 * 48000), 48000)
    arguments = ["enhance", str(tmp_path), "-o", str(tmp_path / "out"), "--jobs", "1"]
    assert main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    (hiss,) = [line for line in lines if line.endswith(NO_SPEECH)]
    assert hiss.count(".wav") == 3
    assert [line for line in lines if line.endswith(TONES)] == [f"{tmp_path / 'song.wav'}: {TONES}"]
    assert not any(line.endswith(BAND.format(8)) for line in lines)
    assert main(["enhance", str(tmp_path / "wide.wav"), "-o", str(tmp_path / "narrow"), "--bandwidth", "8k"]) == 0
    assert f"{tmp_path / 'wide.wav'}: {BAND.format(8)}" in capsys.readouterr().out.splitlines()
    soundfile.write(tmp_path / "broken.wav", np.zeros(0), RATE)
    assert main([*arguments, "--quiet", "--mix", "0.9"]) == 1
    quiet = capsys.readouterr()
    assert quiet.out == "" and quiet.err == f"{tmp_path / 'broken.wav'}: holds no samples\n"


@pytest.mark.slow
def test_a_pipe_says_so_on_standard_error(tmp_path):
    soundfile.write(tmp_path / "hiss.wav", noise(4 * RATE), RATE)
    command = [sys.executable, "-m", "espnet_codecse.bin.main", "enhance", "-"]
    for options, expected in (([], f"standard input: {NO_SPEECH}\n"), (["--quiet"], "")):
        with open(tmp_path / "hiss.wav", "rb") as stream:
            result = subprocess.run([*command, *options], stdin=stream, capture_output=True, check=True)
        assert result.stderr.decode() == expected and len(result.stdout) > 1000
