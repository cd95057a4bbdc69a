"""Devices: a file-backed stand-in of sounddevice's interface, and PortAudio itself on ALSA's file device."""

import subprocess
import sys

import numpy as np
import pytest
import soundfile
from tiny_models import save_causal_experiment

from espnet_codecse.bin import stream
from espnet_codecse.errors import UserError


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    return str(save_causal_experiment(tmp_path_factory.mktemp("causal") / "model"))


class StandIn:
    """What of sounddevice is used, with files as devices: a microphone that ends by Ctrl-C, and a loudspeaker."""

    class PortAudioError(Exception):
        pass

    def __init__(self, samples, rates):
        self.samples, self.rates, self.played, self.opened = samples, rates, [], {}

    def query_devices(self, device=None, kind=None):
        if kind is None:
            return "0 file, ALSA (2 in, 2 out)"
        if device not in (None, 0, "file"):
            raise ValueError(f"No {kind} device matching {device!r}")
        return {f"max_{kind}_channels": self.samples.shape[1], "default_samplerate": 48000.0}

    def _check(self, samplerate, channels, **_):
        if samplerate not in self.rates or channels > 2:
            raise self.PortAudioError("Invalid sample rate")

    check_input_settings = check_output_settings = _check

    def InputStream(self, **options):
        self.opened["input"] = options
        return _Microphone(self.samples[:, : options["channels"]])

    def OutputStream(self, **options):
        self.opened["output"] = options
        return _Loudspeaker(self.played)


class _Running:
    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None


class _Microphone(_Running):
    def __init__(self, samples):
        self.samples, self.start = samples, 0

    def read(self, count):
        if self.start >= len(self.samples):
            raise KeyboardInterrupt
        piece = self.samples[self.start : self.start + count]
        self.start += count
        return piece, self.start < 2 * count  # the first block was late


class _Loudspeaker(_Running):
    def __init__(self, played):
        self.played = played

    def write(self, samples):
        assert samples.dtype == np.float32 and samples.flags.c_contiguous
        self.played.append(samples)
        return False


@pytest.fixture
def samples(voice):
    return np.stack([voice(8000, 0), voice(8000, 1)], axis=1)


def stand_in(monkeypatch, samples, rates=(16000, 48000)) -> StandIn:
    found = StandIn(samples, rates)
    monkeypatch.setitem(sys.modules, "sounddevice", found)
    return found


@pytest.mark.parametrize("rates", [(16000, 48000), (48000,)])
def test_from_a_microphone_to_a_loudspeaker_as_from_file_to_file(model, samples, rates, monkeypatch, tmp_path, capsys):
    devices = stand_in(monkeypatch, samples, rates)
    arguments = ["--model", model, "--input_device", "default", "--output_device", "0"]
    stream.main(arguments)
    assert devices.opened["input"]["samplerate"] == rates[0] and devices.opened["input"]["channels"] == 2
    ahead, *rest = devices.played
    assert ahead.shape == (2 * 320 * rates[0] // 16000, 2) and not ahead.any()
    soundfile.write(tmp_path / "in.wav", samples, rates[0], subtype="FLOAT")
    stream.main(["--model", model, str(tmp_path / "in.wav"), str(tmp_path / "out.wav")])
    expected = soundfile.read(tmp_path / "out.wav")[0]
    np.testing.assert_allclose(np.concatenate(rest), expected, atol=1.1 / 32768)
    shown = capsys.readouterr().err
    assert "interrupted: the stream ends here" in shown and ("with resampling" in shown) == (rates[0] != 16000)


def test_one_channel_and_a_line_that_counts_glitches(model, samples, monkeypatch, tmp_path, capsys):
    from espnet_codecse.live import run
    from espnet_codecse.live.status import StatusLine

    monkeypatch.setattr(run, "StatusLine", lambda: StatusLine(interval_seconds=0.0))
    devices = stand_in(monkeypatch, samples)
    stream.main(["--model", model, "--mono", "--input_device", "file", str(tmp_path / "out.wav"), "--report"])
    assert devices.opened["input"]["channels"] == 1 and soundfile.info(tmp_path / "out.wav").channels == 1
    shown = capsys.readouterr().err
    assert "glitches 1" in shown and "dBFS" in shown and "worst" in shown


def test_what_is_told(model, samples, monkeypatch, capsys):
    stand_in(monkeypatch, samples, rates=())
    stream.main(["--list_devices"])
    assert "file, ALSA" in capsys.readouterr().out
    for arguments, message in (
        (["--input_device", "nothing", "out.wav"], "--input_device nothing: No input device matching.*--list_devices"),
        (["--input_device", "file", "out.wav"], "--input_device file: refuses 2 channel.s.: Invalid sample rate"),
    ):
        with pytest.raises(UserError, match=message):
            stream.main(["--model", model, *arguments])
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(UserError, match="pip install -e '.\\[live\\]'"):
        stream.main(["--list_devices"])
    for arguments in ([], ["only_one"], ["a", "b", "--input_device", "c"], ["--input_device", "a"]):
        with pytest.raises(SystemExit):
            stream.main(["--model", model, *arguments])
        assert "give an input and an output" in capsys.readouterr().err


ASOUNDRC = """
pcm.tape {{
    type file
    slave.pcm null
    file {played}
    infile {recorded}
    format raw
}}
"""


def test_portaudio_plays_and_records(model, samples, tmp_path):
    """ALSA's file plugin is a virtual device: it records from a file and plays into another."""
    try:
        import sounddevice  # noqa: F401
    except (ImportError, OSError):
        pytest.skip("no sounddevice or no PortAudio (apt-get install libportaudio2)")
    recorded, played = tmp_path / "recorded.raw", tmp_path / "played.raw"
    recorded.write_bytes(np.tile(samples, (400, 1)).astype("<f4").tobytes())  # as PortAudio is asked for
    (tmp_path / ".asoundrc").write_text(ASOUNDRC.format(recorded=recorded, played=played))
    code = """
import _thread, os, sys, threading, time
from espnet_codecse.bin import stream

def interrupt_once_it_plays(path):
    while not os.path.exists(path) or os.path.getsize(path) < 50000:
        time.sleep(0.1)
    time.sleep(1)  # a few lines of status
    _thread.interrupt_main()

threading.Thread(target=interrupt_once_it_plays, args=sys.argv[1:2], daemon=True).start()
stream.main(sys.argv[2:])
"""
    devices = ["--input_device", "tape", "--output_device", "tape"]
    command = [sys.executable, "-c", code, str(played), "--model", model, *devices]
    environment = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, check=False)
    assert result.returncode == 0, result.stderr
    assert "interrupted: the stream ends here" in result.stderr and "glitches" in result.stderr
    assert played.stat().st_size >= 50000 and "NaN" not in result.stderr
    sound = np.fromfile(played, "<f4")
    assert np.isfinite(sound).all() and np.abs(sound).max() > 0.01
