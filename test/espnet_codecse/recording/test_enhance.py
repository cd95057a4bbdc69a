"""``codecse enhance`` on folders of recordings as people have them; killed, piped, in several processes."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from permissions import permissions_apply

from espnet_codecse.bin.main import main


@pytest.fixture
def enhance(tmp_path, model, capsys):
    """Return a function that runs the command from ``in`` to ``out``: ``(exit status, stdout, stderr)``."""

    def enhance(*options, inputs=("in",), out="out"):
        paths = [str(tmp_path / path) for path in inputs]
        status = main(["enhance", *paths, "-o", str(tmp_path / out), "--model", model, *map(str, options)])
        return (status, *capsys.readouterr())

    return enhance


def script(*arguments):
    """The command as a process of its own."""
    return [sys.executable, "-c", "import sys; from espnet_codecse.bin.main import main; sys.exit(main())", *arguments]


def samples(path):
    return soundfile.read(path, always_2d=True)[0]


def visible(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_folder_of_everything(tmp_path, write, enhance):
    source = tmp_path / "in"
    good = [
        write(source / "stereo 44.wav", rate=44100, channels=2, subtype="PCM_24"),
        write(source / "Käse und ß" / "tape 48.flac", rate=48000),
        write(source / "Käse und ß" / "日本.ogg", rate=22050),
        write(source / "phone.wav", rate=8000, subtype="ULAW"),
        write(source / "a.mp3", rate=44100, channels=2),
        write(source / "float.wav", subtype="FLOAT"),
        write(source / "old.aiff", rate=11025, subtype="PCM_S8"),
        write(source / "long.w64", seconds=3),
        write(source / "one.wav", num_samples=1),
    ]
    silent = source / "silent.wav"
    soundfile.write(silent, np.zeros((4000, 2)), 8000)
    nan = source / "nan.wav"
    soundfile.write(nan, np.full(4000, np.nan), 16000, subtype="FLOAT")
    soundfile.write(source / "empty.wav", np.zeros(0), 16000)
    (source / "broken.wav").write_bytes(b"RIFFbut no more")
    (source / "bought.m4a").write_bytes(b"\0\0\0\x20ftypM4A ")
    (source / "notes.txt").write_text("no recording")
    status, out, _error = enhance("--segment_seconds", 2)
    assert status == 1
    assert "14 files: 10 enhanced, 0 skipped (already done), 4 failed (all in " in out and "real-time factor" in out
    assert "network alone" in out and "peak memory" in out
    failed = dict(line.split("\t") for line in (tmp_path / "out" / "failed.tsv").read_text().splitlines()[1:])
    assert {Path(path).name for path in failed} == {"nan.wav", "empty.wav", "broken.wav", "bought.m4a"}
    assert failed[str(nan)] == "sample 0 is not a number; repair the file"
    assert failed[str(source / "empty.wav")] == "holds no samples"
    assert "not readable as audio" in failed[str(source / "bought.m4a")]
    expected = [str(path.relative_to(source)) for path in [*good, silent]]
    assert visible(tmp_path / "out") == sorted([*expected, ".codecse.json", ".made_of.1.jsonl", "failed.tsv"])
    for path in good:
        before, after = soundfile.info(path), soundfile.info(tmp_path / "out" / path.relative_to(source))
        for key in ("frames", "samplerate", "channels", "format", "subtype"):
            assert getattr(before, key) == getattr(after, key), (path, key)
        if before.frames > 1:
            assert samples(tmp_path / "out" / path.relative_to(source)).any()
    assert not samples(tmp_path / "out" / "silent.wav").any()


def test_everything_that_is_found_is_counted(tmp_path, write, enhance):
    source = write(tmp_path / "rec.wav")
    names = [b"caf\xe9.wav", b"a" * 251 + b".wav", "日".encode() * 83 + b"aa.wav", b"link1.wav", b"link2.wav"]
    (tmp_path / "in" / "locked").mkdir(parents=True)
    for name in names:
        os.symlink(source, os.path.join(os.fsencode(tmp_path / "in"), name))
    shutil.copy(source, tmp_path / "in" / "secret.wav")
    (tmp_path / "in" / "secret.wav").chmod(0)
    (tmp_path / "in" / "locked").chmod(0)
    os.mkfifo(tmp_path / "in" / "pipe.wav")
    with permissions_apply():
        status, out, error = enhance()
    assert status == 1 and "8 files: 5 enhanced, 0 skipped (already done), 3 failed" in out
    assert {name for name in os.listdir(os.fsencode(tmp_path / "out")) if name[:1] != b"."} == {*names, b"failed.tsv"}
    assert "in/locked: cannot be searched (Permission denied)" in error
    assert "in/secret.wav: not readable (Permission denied); change its permissions" in error
    assert "in/pipe.wav: a pipe or device, which cannot be read twice; write it to a file first" in error
    (tmp_path / "in" / "locked").chmod(0o700)


def test_output_folder_that_is_read_only(tmp_path, write, enhance):
    write(tmp_path / "in" / "a.wav")
    (tmp_path / "out").mkdir(mode=0o500)
    with permissions_apply():
        status, _, error = enhance()
    assert status == 1 and error.count("\n") == 1
    assert "out/.codecse.json: cannot be written (Permission denied); choose a folder that you may write to" in error


def test_only_what_is_new_is_done_again(tmp_path, write, enhance):
    for name in ("a.wav", "b.wav"):
        write(tmp_path / "in" / name)
    assert enhance()[0] == 0
    assert "2 files: 0 enhanced, 2 skipped (already done)" in enhance()[1]
    os.utime(tmp_path / "in" / "a.wav")
    assert "1 enhanced, 1 skipped (already done)" in enhance()[1]
    assert "2 enhanced, 0 skipped (already done)" in enhance("--mix", 0.5)[1]
    assert "0 enhanced, 2 skipped (already done)" in enhance("--mix", 0.5)[1]
    assert "2 enhanced, 0 skipped (already done)" in enhance()[1]
    (tmp_path / "out" / "b.wav").unlink()
    write(tmp_path / "in" / "c.wav")
    assert "2 enhanced, 1 skipped (already done)" in enhance()[1]


def test_mix_residual_mono_and_format(tmp_path, write, enhance):
    path = write(tmp_path / "in" / "a.wav", rate=44100, channels=2)
    assert enhance("--mix", 0, out="dry")[0] == 0
    assert enhance("--mix", 0.9, out="mixed")[0] == enhance("--floor_db", -20, out="floor")[0] == 0
    assert np.array_equal(samples(tmp_path / "floor" / "a.wav"), samples(tmp_path / "mixed" / "a.wav"))
    assert (tmp_path / "dry" / "a.wav").read_bytes() == path.read_bytes()
    assert enhance("--residual", out="both")[0] == 0
    assert visible(tmp_path / "both") == [".codecse.json", ".made_of.1.jsonl", "a.residual.wav", "a.wav"]
    both = samples(tmp_path / "both" / "a.wav") + samples(tmp_path / "both" / "a.residual.wav")
    assert np.array_equal(both, samples(path)) and samples(tmp_path / "both" / "a.residual.wav").any()
    assert enhance("--mono", "--format", "flac", out="mono")[0] == 0
    info = soundfile.info(tmp_path / "mono" / "a.flac")
    assert (info.channels, info.samplerate, info.format) == (1, 44100, "FLAC")


def test_format_that_cannot_be_written_is_told(tmp_path, write, enhance):
    write(tmp_path / "in" / "a.wav", rate=8000, subtype="NMS_ADPCM_16")
    write(tmp_path / "in" / "b.wav", rate=96000)
    status, out, _ = enhance("--format", "mp3")
    assert status == 1 and "1 enhanced, 0 skipped (already done), 1 failed" in out
    assert "--format mp3 cannot hold 1 channel(s) at 96000 Hz" in (tmp_path / "out" / "failed.tsv").read_text()


def test_two_speakers_by_name(tmp_path, write, capsys, model_of_two):
    write(tmp_path / "in" / "a.flac")
    assert main(["enhance", str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--model", model_of_two]) == 0
    assert visible(tmp_path / "out") == [".codecse.json", ".made_of.1.jsonl", "a.spk1.flac", "a.spk2.flac"]


@pytest.mark.parametrize(
    "options, inputs, out, text",
    [
        ([], ["in", "in2"], "out", "would be the output of"),
        (["--format", "flac"], ["in3"], "out", "(1 such name(s))"),
        ([], ["in/a.wav"], "in", "a.wav: is an input; choose another --output_dir"),
        ([], ["in"], "in", "is also an input"),
        ([], ["none"], "out", "no such file or folder"),
        (["--residual"], ["in3"], "out", "would be the output of"),
        (["--model", "no_such"], ["in"], "out", "--model no_such: no such folder or zip"),
        (["--segment_seconds", "1"], ["in"], "out", "--segment_seconds 1.0: segments overlap"),
        (["--from", "codes", "--mono"], ["in"], "out", "--mono: codes cannot be averaged"),
        (["--to", "codes", "--mix", "0.5"], ["in"], "out", "--mix works on waveforms"),
        (["--to", "codes", "--format", "wav"], ["in"], "out", "--format applies to waveforms"),
        (["--device", "tpu"], ["in"], "out", "--device tpu: must be one of"),
    ],
)
def test_wrong_options_stop_before_any_work(tmp_path, write, enhance, options, inputs, out, text):
    for name in ("in/a.wav", "in2/a.wav", "in3/b.wav", "in3/b.residual.wav", "in3/b.aiff"):
        if not (text.startswith("would be the output") and name.endswith("aiff")):
            write(tmp_path / name)
    before = {path: (tmp_path / path).read_bytes() for path in visible(tmp_path) if path.endswith(("wav", "aiff"))}
    status, _, error = enhance(*options, inputs=inputs, out=out)
    assert status == 1 and text in error and error.count("\n") == 1
    assert before == {path: (tmp_path / path).read_bytes() for path in before}
    assert not [path for path in visible(tmp_path) if path.startswith("out") and path.endswith(("wav", "flac"))]


@pytest.mark.parametrize(
    "options",
    [
        ["--mix", "1.5"],
        ["--mix", "x"],
        ["--floor_db", "3"],
        ["--floor_db", "nan"],
        ["--jobs", "0"],
        ["--format", "m4a"],
        [],
    ],
)
def test_options_that_argparse_refuses(options, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["enhance", *options, *(["x.wav", "-o", "y"] if options else [])])
    assert caught.value.code == 2


def test_output_folder_or_pipe(capsys):
    assert main(["enhance", "x.wav"]) == 1
    assert "--output_dir: missing" in capsys.readouterr().err
    assert main(["enhance", "-", "-o", "x"]) == 1
    assert "-: means the standard streams" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["enhance", "encode", "decode"])
def test_help_starts_at_once(command):
    shown = subprocess.run(script(command, "--help"), capture_output=True, text=True, check=True)
    assert f"codecse {command}" in shown.stdout and not shown.stderr
    loaded = subprocess.run(
        [sys.executable, "-X", "importtime", *script(command, "--help")[1:]], capture_output=True, text=True, check=True
    ).stderr
    assert not any(f" {module}\n" in loaded for module in ("torch", "numpy", "soundfile", "espnet2", "soxr"))


@pytest.mark.slow
def test_two_processes(tmp_path, write, enhance):
    for index in range(4):
        write(tmp_path / "in" / f"{index}.wav", seconds=0.3 + 0.1 * index)
    soundfile.write(tmp_path / "in" / "bad.wav", np.full(400, np.nan), 16000, subtype="FLOAT")
    status, out, _ = enhance("--jobs", 2, "--batch_seconds", 0.6)
    assert status == 1 and "5 files: 4 enhanced, 0 skipped (already done), 1 failed" in out
    assert "in each of 2 processes" in out
    enhance("--batch_seconds", "0.6", out="one")
    for index in range(4):
        one, two = (samples(tmp_path / folder / f"{index}.wav") for folder in ("one", "out"))
        assert np.abs(one - two).max() <= 2 / 32768


@pytest.mark.slow
def test_killed_and_started_again(tmp_path, write, enhance, model):
    for index in range(40):
        write(tmp_path / "in" / f"{index:02}.wav", seconds=2, seed=index)
    write(tmp_path / "in" / "00.wav", seconds=150)
    out = tmp_path / "out"
    command = ["enhance", str(tmp_path / "in"), "-o", str(out), "--model", model, "--batch_seconds", "2"]
    process = subprocess.Popen(
        script(*command, "--segment_seconds", "10"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 600
    ledger = out / ".made_of.1.jsonl"
    while process.poll() is None and time.monotonic() < deadline and not (ledger.exists() and ledger.stat().st_size):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    finished = [path for path in visible(out) if path.endswith(".wav") and not path.startswith(".")]
    for path in finished:  # whole, whenever the run was killed
        assert soundfile.info(out / path).frames == soundfile.info(tmp_path / "in" / path).frames
    # Killed between the writing of an output and its entry in the ledger, a run leaves a file that is made again.
    done = [json.loads(line)[0] for line in ledger.read_text().splitlines() if line.endswith("]")]
    assert set(done) <= set(finished) and 0 < len(done) < 40
    (out / ".39.abcdefgh.wav").write_bytes(b"left of a killed run")
    kept = {path: (out / path).stat().st_mtime_ns for path in done}
    status, text, _ = enhance("--batch_seconds", 2, "--segment_seconds", 10)
    assert status == 0 and f"{40 - len(done)} enhanced, {len(done)} skipped (already done)" in text
    assert {path: (out / path).stat().st_mtime_ns for path in done} == kept
    assert visible(out) == sorted([".codecse.json", ".made_of.1.jsonl", *(f"{index:02}.wav" for index in range(40))])


def above(path: Path, frequency: float) -> float:
    """Return the mean square of a recording above ``frequency`` Hz."""
    samples, rate = soundfile.read(path)
    spectrum = np.fft.rfft(samples)
    return float(np.square(np.abs(spectrum[np.fft.rfftfreq(len(samples), 1 / rate) > frequency])).sum()) / len(samples)


@pytest.mark.parametrize("alone", [True, False])
def test_the_band_above_is_kept_unless_it_is_to_go(tmp_path, write, enhance, alone):
    for name in ("a.wav",) if alone else ("a.wav", "b.wav"):
        path = write(tmp_path / "in" / name, rate=48000, seconds=3, subtype="FLOAT")
        hiss = 0.01 * np.random.default_rng(0).standard_normal(3 * 48000)
        soundfile.write(path, soundfile.read(path)[0] + hiss, 48000, subtype="FLOAT")
    assert enhance()[0] == enhance("--bandwidth", "8k", out="narrow")[0] == 0
    assert above(tmp_path / "out" / "a.wav", 8500) > 0
    assert above(tmp_path / "narrow" / "a.wav", 8500) < 1e-3 * above(tmp_path / "in" / "a.wav", 8500)
    assert enhance("--mix", 0.0, out="input")[0] == 0  # the input itself, whatever the band above is
    assert np.array_equal(samples(tmp_path / "input" / "a.wav"), samples(tmp_path / "in" / "a.wav"))
    assert enhance("--bandwidth", "8k")[1].count("1 enhanced" if alone else "2 enhanced")  # other settings: done anew


@pytest.mark.slow
def test_pipe(tmp_path, write, enhance, model):
    path = write(tmp_path / "in" / "a.flac", rate=44100, channels=2)
    enhance()
    result = subprocess.run(
        script("enhance", "-", "--model", model), input=path.read_bytes(), capture_output=True, check=True
    )
    (tmp_path / "piped.flac").write_bytes(result.stdout)
    assert np.array_equal(samples(tmp_path / "piped.flac"), samples(tmp_path / "out" / "a.flac"))
    assert soundfile.info(tmp_path / "piped.flac").format == "FLAC"


@pytest.mark.slow
def test_memory_does_not_grow_with_the_length(tmp_path, write, codec_folder):
    """A recording ten times as long takes no more: measured in processes of their own, which hold the codec alone."""
    peaks = []
    for name, seconds in (("short", 120), ("long", 1200)):
        path = write(tmp_path / f"{name}.wav", seconds=seconds)
        source = (
            "import sys\n"
            "from espnet_codecse.codec import load_codec\n"
            "from espnet_codecse.job.resources import peak_memory\n"
            "from espnet_codecse.enh.enhancer import EmbeddingEnhancer\n"
            "from espnet_codecse.recording import work\n"
            "from espnet_codecse.recording.find import Recording\n"
            "from espnet_codecse.recording.make_jobs import make_job\n"
            "from multiprocessing import Value\n"
            "from pathlib import Path\n"
            "options = work.Options(codec=sys.argv[2])\n"
            "path = Path(sys.argv[1])\n"
            "job = make_job(Recording(path, Path('out.wav')), path.parent / path.stem, options, None, False, 1)\n"
            "outcome = work.Worker(options, Value('d', 0.0)).run([job]).outcomes[0]\n"
            "assert outcome.error is None, outcome.error\n"
            "print(peak_memory())\n"
        )
        result = subprocess.run(
            [sys.executable, "-c", source, str(path), codec_folder], capture_output=True, text=True, check=True
        )
        peaks.append(int(result.stdout))
        assert soundfile.info(tmp_path / name / "out.wav").frames == seconds * 16000
        shutil.rmtree(tmp_path / name)
    assert peaks[1] < 1.05 * peaks[0] + 20e6
