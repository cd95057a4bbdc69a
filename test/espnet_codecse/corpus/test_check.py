"""Every kind of bad input gets a line in rejected.tsv with its reason; what is right is never rewritten."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile

from espnet_codecse.corpus.check import FormatSettings, format_data_dir, is_clipped
from espnet_codecse.corpus.data_dir import read_data_dir, validate_data_dir, write_data_dir
from espnet_codecse.errors import UserError

RATE = 16000


def make_dir(path, mixtures, references=None):
    """Data directory of ``{id: path}``; every id is its own speaker."""
    tables = {"wav.scp": mixtures, "utt2spk": {key: key for key in mixtures}}
    if references is not None:
        tables["spk1.scp"] = references
    write_data_dir(path, tables)
    return path


def rejected(path):
    """``{id: (path, reason)}`` of a rejected.tsv."""
    lines = (path / "rejected.tsv").read_text().splitlines()
    assert lines[0] == "id\tpath\treason"
    return {line.split("\t")[0]: tuple(line.split("\t")[1:]) for line in lines[1:]}


@pytest.fixture
def write(tmp_path, voice):
    """Write samples below a folder with a space in its name and return the path as text."""

    def function(name, samples=None, rate=RATE, **options):
        folder = tmp_path / "my audio"
        folder.mkdir(exist_ok=True)
        samples = voice(rate, 1, rate) if samples is None else samples
        soundfile.write(folder / name, samples, rate, **options)
        return str(folder / name)

    return function


def test_bad_mixtures_are_rejected_with_their_reasons(tmp_path, write, voice):
    (tmp_path / "text.wav").write_text("this is no audio")
    (tmp_path / "empty.wav").write_bytes(b"")
    nan = voice(RATE)
    nan[100] = np.nan
    infinite = voice(RATE)
    infinite[5] = np.inf
    bad = {
        "gone": (str(tmp_path / "gone.wav"), "no such file"),
        "unreadable": (str(tmp_path / "text.wav"), "not readable as audio"),
        "emptyfile": (str(tmp_path / "empty.wav"), "empty file"),
        "nosamples": (write("none.wav", np.zeros(0)), "empty, no samples"),
        "nan": (write("nan.wav", nan, subtype="FLOAT"), "NaN"),
        "inf": (write("inf.wav", infinite, subtype="FLOAT"), "NaN or infinite"),
        "zero": (write("zero.wav", np.zeros(RATE)), "all samples are zero"),
        "one": (write("one.wav", np.full(1, 0.1)), "shorter than one frame, 1 of 320 samples"),
        "frame": (write("frame.wav", voice(319)), "shorter than one frame, 319 of 320 samples"),
    }
    source = make_dir(tmp_path / "data", {**{key: value[0] for key, value in bad.items()}, "good": write("good.wav")})
    summary = format_data_dir(source, tmp_path / "dump", FormatSettings(min_samples=320))
    found = rejected(tmp_path / "dump")
    assert set(found) == set(bad)
    for key, (path, reason) in bad.items():
        assert found[key][0] == path
        assert reason in found[key][1]
    assert "1 of 10 utterances" in summary and "9 rejected" in summary
    assert validate_data_dir(tmp_path / "dump") == 1


def test_bad_references_are_rejected(tmp_path, write, voice):
    clean, mixture = voice(RATE, 1), voice(RATE, 2)
    clipped = np.clip(40 * clean, -1, 1)
    good = write("mix.wav", mixture)
    references = {
        "length": write("short.wav", clean[:-10]),
        "clipped": write("clipped.wav", clipped),
        "silent": write("silent.wav", 0 * clean),
        "good": write("ref.wav", clean),
    }
    source = make_dir(tmp_path / "data", dict.fromkeys([*references, "missing"], good), references)
    format_data_dir(source, tmp_path / "dump", FormatSettings(num_references=1))
    reasons = {key: reason for key, (_, reason) in rejected(tmp_path / "dump").items()}
    assert reasons == {
        "length": "spk1: length mismatch, 15990 samples, the mixture has 16000",
        "clipped": "spk1: clipped reference",
        "silent": "spk1: all samples are zero",
        "missing": "missing reference: no line in spk1.scp",
    }
    assert read_data_dir(tmp_path / "dump")["spk1.scp"] == {"good": references["good"]}


def test_audio_that_is_right_is_not_rewritten_in_any_format(tmp_path, write):
    mixtures = {
        "int24": write("a b.wav", subtype="PCM_24"),
        "float": write("float.wav", subtype="FLOAT"),
        "flac": write("x.flac"),
        "ogg": write("x.ogg"),
        "pcm16": write("x.wav"),
    }
    before = {key: os.stat(path).st_mtime_ns for key, path in mixtures.items()}
    source = make_dir(tmp_path / "data", mixtures)
    summary = format_data_dir(source, tmp_path / "dump")
    assert rejected(tmp_path / "dump") == {}
    assert "0 files rewritten" in summary
    tables = read_data_dir(tmp_path / "dump")
    assert tables["wav.scp"] == dict(sorted(mixtures.items()))
    assert set(tables["utt2fs"].values()) == {"16000"} and set(tables["utt2num_samples"].values()) == {"16000"}
    assert before == {key: os.stat(path).st_mtime_ns for key, path in mixtures.items()}
    assert not (tmp_path / "dump/data").exists()


@pytest.mark.parametrize("rate", [8000, 44100, 48000])
def test_another_rate_is_resampled(tmp_path, write, rate):
    tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)
    source = make_dir(tmp_path / "data", {"u": write("u.wav", tone, rate)}, {"u": write("r.wav", 0.5 * tone, rate)})
    format_data_dir(source, tmp_path / "dump")
    tables = read_data_dir(tmp_path / "dump")
    for name in ("wav.scp", "spk1.scp"):
        samples, new_rate = soundfile.read(tables[name]["u"])
        assert new_rate == RATE and len(samples) == RATE
        assert np.argmax(np.abs(np.fft.rfft(samples))) == 440
    assert tables["utt2fs"]["u"] == "16000"
    assert tables["wav.scp"]["u"].startswith(str(tmp_path / "dump/data/wav"))


def test_one_channel_of_stereo_is_kept(tmp_path, write, voice):
    left, right = voice(RATE, 1), voice(RATE, 2)
    source = make_dir(
        tmp_path / "data", {"u": write("s.wav", np.stack([left, right], 1)), "mono": write("m.wav", left)}
    )
    for channel, wanted in ((0, left), (1, right)):
        target = tmp_path / f"dump{channel}"
        format_data_dir(source, target, FormatSettings(ref_channel=channel))
        samples, _ = soundfile.read(read_data_dir(target)["wav.scp"]["u"])
        assert samples.ndim == 1
        np.testing.assert_allclose(samples, wanted, atol=1e-4)
    format_data_dir(source, tmp_path / "dump2", FormatSettings(ref_channel=2))
    assert rejected(tmp_path / "dump2")["u"][1] == "mixture: no channel 2, it has 2"


def test_durations_are_filtered(tmp_path, write, voice):
    mixtures = {f"s{seconds}": write(f"{seconds}.wav", voice(RATE * seconds)) for seconds in (1, 2, 3)}
    source = make_dir(tmp_path / "data", mixtures)
    format_data_dir(source, tmp_path / "dump", FormatSettings(min_duration=1.5, max_duration=2.5))
    assert set(rejected(tmp_path / "dump")) == {"s1", "s3"}


def test_what_stops_a_whole_directory(make_data_dir, tmp_path):
    path = make_data_dir()
    with pytest.raises(UserError, match="3 utterances, expected 4"):
        format_data_dir(path, tmp_path / "dump", expected_count=4)
    with pytest.raises(UserError, match="no spk2.scp"):
        format_data_dir(path, tmp_path / "dump", FormatSettings(num_references=2))
    with pytest.raises(UserError, match="no such data directory"):
        format_data_dir(tmp_path / "nowhere", tmp_path / "dump")
    with pytest.raises(UserError, match="none of its 3 utterances.*shorter than 9 s.*rejected.tsv"):
        format_data_dir(path, tmp_path / "dump", FormatSettings(min_duration=9))
    text = (path / "wav.scp").read_text()
    (path / "wav.scp").write_text(text + text.splitlines(True)[0])
    with pytest.raises(UserError, match="the id 'spk0_utt0' occurs twice"):
        format_data_dir(path, tmp_path / "dump")
    (path / "wav.scp").write_text("spk0_utt0 flac -d x.flac |\n")
    with pytest.raises(UserError, match="is a pipe"):
        format_data_dir(path, tmp_path / "dump")


def test_unsorted_input_is_sorted(make_data_dir, tmp_path):
    path = make_data_dir()
    (path / "wav.scp").write_text("".join(reversed((path / "wav.scp").read_text().splitlines(True))))
    format_data_dir(path, tmp_path / "dump")
    assert validate_data_dir(tmp_path / "dump", num_references=1) == 3


def test_second_run_is_skipped_until_audio_changes(make_data_dir, tmp_path, voice):
    path = make_data_dir()
    format_data_dir(path, tmp_path / "dump")
    assert "skipped" in format_data_dir(path, tmp_path / "dump")
    audio = read_data_dir(path)["wav.scp"]["spk0_utt0"]
    soundfile.write(audio, voice(100), RATE)
    assert "1 rejected" in format_data_dir(path, tmp_path / "dump")


@pytest.mark.slow
def test_killed_run_goes_on_and_loses_nothing(tmp_path, write, voice):
    long = write("long.wav", voice(48000 * 4, 1, 48000), 48000)
    source = make_dir(tmp_path / "data", {f"u{number:03d}": long for number in range(192)})
    command = [sys.executable, "-m", "espnet_codecse.bin.format_data", "--nj", "1", str(source), str(tmp_path / "dump")]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    parts = tmp_path / "dump/.parts"
    while not list(parts.glob("*/[0-9]*.json")) and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "dump/wav.scp").exists()
    kept = {path: path.stat().st_mtime_ns for path in parts.glob("*/[0-9]*.json")}
    assert 0 < len(kept) < 6
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "dump/data/wav").glob("u00*.flac")}
    result = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=True)
    assert "were done by an earlier run" in result.stderr
    assert validate_data_dir(tmp_path / "dump") == 192
    assert {path: path.stat().st_mtime_ns for path in written} == written


def test_clipping_is_a_run_at_full_scale():
    signal_ = 0.5 * np.ones(100)
    assert not is_clipped(signal_)
    signal_[10] = 1.0
    assert not is_clipped(signal_)
    signal_[50:54] = -1.0
    assert is_clipped(signal_)


def test_ids_that_differ_in_a_slash_have_files_of_their_own(tmp_path, voice):
    (tmp_path / "a").mkdir()
    mixtures = {}
    for number, (key, seconds) in enumerate((("x/y", 1), ("x_y", 2), ("x%2Fy", 3))):
        mixtures[key] = str(tmp_path / "a" / f"{number}.wav")
        soundfile.write(mixtures[key], voice(8000 * seconds, number, 8000), 8000)
    format_data_dir(make_dir(tmp_path / "in", mixtures), tmp_path / "out", FormatSettings(rate=RATE))
    tables = read_data_dir(tmp_path / "out")
    for key, seconds in (("x/y", 1), ("x_y", 2), ("x%2Fy", 3)):
        assert tables["utt2num_samples"][key] == str(seconds * RATE)
        assert soundfile.info(tables["wav.scp"][key]).frames == seconds * RATE


def test_a_damaged_marker_is_redone(tmp_path, write):
    source = make_dir(tmp_path / "in", {"a": write("a.wav")})
    assert "1 of 1 utterances" in format_data_dir(source, tmp_path / "out")
    for content in (b"", b"\xff", b"{}", b"[" * 5000, b'{"key": 1}'):
        (tmp_path / "out/.done").write_bytes(content)
        assert "skipped" not in format_data_dir(source, tmp_path / "out")
    assert "skipped" in format_data_dir(source, tmp_path / "out")
