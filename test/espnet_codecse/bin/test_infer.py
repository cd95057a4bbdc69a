"""``codecse infer`` with a codec alone: parts, going on, collecting, refused input."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tiny_codecs import save_mdct

from espnet_codecse.bin.main import main
from espnet_codecse.fileio import read_scp, write_scp


@pytest.fixture
def given(tmp_path, voice):
    """Codec and a list of five recordings, one longer than a segment of one and a half seconds."""
    codec = str(save_mdct(tmp_path / "codec"))
    table = {}
    for number, num_samples in enumerate((16000, 8001, 40000, 319, 1)):
        table[f"utt{number}"] = str(tmp_path / "some recordings" / f"{number}.wav")
        (tmp_path / "some recordings").mkdir(exist_ok=True)
        soundfile.write(table[f"utt{number}"], voice(num_samples, number), 16000)
    write_scp(tmp_path / "wav.scp", table)
    return tmp_path, codec, table


def command(given, *options, out="out/{layer}"):
    folder, codec, _ = given
    base = ["infer", "--codec", codec, "--output_dir", str(folder / out), "--segment_seconds", "1.5"]
    return [*base, str(folder / "wav.scp"), "--batch_seconds", "2", *options]


def outputs(folder):
    return {path.stem: path for path in (folder / "wavs" / "1").glob("*.flac")}


def test_lengths_and_levels(given, capsys):
    folder, _, table = given
    assert main(command(given, "--layers", "continuous", "quantized")) == 0
    assert main(command(given, "--layers", "continuous", "quantized", "--collect")) == 0
    assert "real-time factor" in capsys.readouterr().out
    for layer in ("continuous", "quantized"):
        collected = read_scp(folder / "out" / layer / "spk1.scp")
        assert set(collected) == set(table)
        for utterance, path in collected.items():
            samples, rate = soundfile.read(path)
            assert rate == 16000 and len(samples) == len(soundfile.read(table[utterance])[0])
    assert not list(folder.rglob(".*.flac"))  # no temporary file is left


def test_fewer_codebooks(given, capsys):
    folder, codec, _ = given
    quantized = ("--layers", "quantized")
    assert main(command(given, *quantized)) == 0
    before = {name: path.read_bytes() for name, path in outputs(folder / "out" / "quantized").items()}
    assert main(command(given, *quantized, "--num_codebooks", "1")) == 0
    after = {name: path.read_bytes() for name, path in outputs(folder / "out" / "quantized").items()}
    assert before["utt0"] != after["utt0"]
    capsys.readouterr()
    assert main(command(given, *quantized, "--num_codebooks", "1")) == 0
    assert "5 utterances skipped (already done)" in capsys.readouterr().out
    assert main(command(given, *quantized, "--num_codebooks", "9")) == 1
    assert f"--num_codebooks 9: the codec '{codec}' has 3" in capsys.readouterr().err
    assert main(command(given, "--num_codebooks", "1")) == 1
    assert "--num_codebooks applies to the layer quantized" in capsys.readouterr().err


def test_parts_share_the_work(given, capsys):
    folder, _, table = given
    for part in ("1/3", "2/3"):
        assert main(command(given, "--part", part)) == 0
    some = set(outputs(folder / "out" / "continuous"))
    assert 0 < len(some) < len(table)
    assert main(command(given, "--collect")) == 1
    assert f"{len(table) - len(some)} of {len(table)} outputs missing, the first is" in capsys.readouterr().err
    assert not (folder / "out" / "continuous" / "spk1.scp").exists()
    assert main(command(given, "--part", "3/3")) == 0
    assert main(command(given, "--collect")) == 0
    assert main(command(given, out="whole")) == 0
    apart, whole = outputs(folder / "out" / "continuous"), outputs(folder / "whole")
    for utterance in table:
        assert np.abs(soundfile.read(apart[utterance])[0] - soundfile.read(whole[utterance])[0]).max() < 1e-4


def test_goes_on_where_it_was(given, capsys):
    folder, _, table = given
    assert main(command(given)) == 0
    files = outputs(folder / "out" / "continuous")
    before = {utterance: path.stat().st_mtime_ns for utterance, path in files.items()}
    files["utt1"].unlink()
    os.utime(table["utt3"], ns=(0, 0))  # replaced by an older file
    capsys.readouterr()
    assert main(command(given)) == 0
    assert "3 utterances skipped (already done)" in capsys.readouterr().out
    after = {utterance: path.stat().st_mtime_ns for utterance, path in outputs(folder / "out" / "continuous").items()}
    assert {utterance for utterance in table if after[utterance] != before[utterance]} == {"utt1", "utt3"}


def test_another_codec_makes_everything_anew(given, capsys, tmp_path):
    _, codec, _ = given
    assert main(command(given)) == 0
    shutil.copytree(codec, tmp_path / "copy")
    capsys.readouterr()
    assert main(command(given, "--codec", str(tmp_path / "copy"))) == 0
    assert "skipped" not in capsys.readouterr().out
    assert main(command(given, "--codec", str(tmp_path / "copy"))) == 0
    assert "5 utterances skipped (already done)" in capsys.readouterr().out


def test_wrong_recordings(given, capsys, tmp_path):
    _folder, _, table = given
    cases = {
        "1 channel(s) at 8000 Hz": lambda: soundfile.write(table["utt0"], np.zeros(800), 8000),
        "2 channel(s) at 16000 Hz": lambda: soundfile.write(table["utt0"], np.zeros((1600, 2)), 16000),
        "not readable as audio": lambda: Path(table["utt0"]).write_bytes(b"no audio"),
        "no such audio file": lambda: os.unlink(table["utt0"]),
    }
    for text, spoil in cases.items():
        spoil()
        assert main(command(given)) == 1
        error = capsys.readouterr().err
        assert text in error and table["utt0"] in error and error.count("\n") == 1


@pytest.mark.parametrize(
    "options, text",
    [
        (["--train_config", "x.yaml"], "go together"),
        (["--model_file", "x.pth"], "go together"),
        (["--layers", "continuous", "quantized", "--output_dir", "out"], "several layers need '{layer}'"),
        (
            ["--train_config", "no.yaml", "--model_file", "no.pth"],
            "no.yaml: no such file; not the configuration of a training",
        ),
        (["--segment_seconds", "0.5"], "--segment_seconds 0.5"),
        (["--codec", "no_such"], "--codec no_such: no such folder"),
        (["--collect"], "outputs missing"),
    ],
)
def test_wrong_options(given, options, text, capsys):
    assert main(command(given, *options)) == 1
    error = capsys.readouterr().err
    assert text in error and error.count("\n") == 1


@pytest.mark.parametrize("part", ["0/3", "4/3", "2", "a/b", "1/2/3"])
def test_wrong_part(given, part, capsys):
    with pytest.raises(SystemExit) as caught:
        main(command(given, "--part", part))
    assert caught.value.code == 2 and "--part" in capsys.readouterr().err


def test_neither_model_nor_codec(tmp_path, capsys):
    assert main(["infer", "--output_dir", str(tmp_path), "x.scp"]) == 1
    assert "neither a model nor a codec given" in capsys.readouterr().err
