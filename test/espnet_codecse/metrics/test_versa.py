"""VERSA's values as columns: its scorer's interface, by a program with the same options and the same output."""

import json
import os

import pytest

from espnet_codecse.bin.score import main
from espnet_codecse.errors import UserError
from espnet_codecse.fileio import read_scp, write_scp
from espnet_codecse.metrics.versa import versa_columns

SCORER = """
import argparse, json
parser = argparse.ArgumentParser()
for name in ("pred", "gt", "score_config", "output_file", "io"):
    parser.add_argument("--" + name)
args = parser.parse_args()
assert args.io == "soundfile"
open(args.score_config).read().index("- name: pesq")
gt = dict(line.split(None, 1) for line in open(args.gt)) if args.gt else {}
with open(args.output_file, "w") as stream:
    for line in open(args.pred):
        key, path = line.split(None, 1)
        values = {"key": key, "pesq": 2.5 if key in gt else 1.0, "f0-corr": 0.5, "whisper_hyp_text": "hello"}
        stream.write(json.dumps(values) + "\\n")
print("scored", flush=True)
"""


@pytest.fixture
def versa(tmp_path, monkeypatch):
    """Put a package ``versa`` on the path and return its configuration."""
    (tmp_path / "site/versa/bin").mkdir(parents=True)
    for folder in ("versa", "versa/bin"):
        (tmp_path / "site" / folder / "__init__.py").touch()
    (tmp_path / "site/versa/bin/scorer.py").write_text(SCORER)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    (tmp_path / "speech.yaml").write_text("- name: pesq\n")
    for name in ("ref", "inf"):
        (tmp_path / name).mkdir()
        for file in ("a b.wav", "c.wav"):
            (tmp_path / name / file).write_bytes(b"audio")
        write_scp(tmp_path / f"{name}.scp", {"a": tmp_path / name / "a b.wav", "c": tmp_path / name / "c.wav"})
    return tmp_path / "speech.yaml"


def columns(versa, tmp_path, reference=True):
    return versa_columns(
        str(tmp_path / "ref.scp") if reference else None, str(tmp_path / "inf.scp"), versa, tmp_path / "out"
    )


def test_numbers_become_columns_and_are_kept(versa, tmp_path, capsys):
    expected = {"VERSA_PESQ": {"a": 2.5, "c": 2.5}, "VERSA_F0_CORR": {"a": 0.5, "c": 0.5}}
    assert columns(versa, tmp_path) == expected
    assert "scored" in (tmp_path / "out/versa/versa.log").read_text()
    assert columns(versa, tmp_path) == expected
    assert "VERSA skipped (already done)" in capsys.readouterr().err
    os.utime(tmp_path / "inf" / "c.wav", ns=(0, 0))  # replaced by an older file
    assert columns(versa, tmp_path) == expected
    assert "skipped" not in capsys.readouterr().err
    write_scp(tmp_path / "inf.scp", {"a": tmp_path / "inf" / "c.wav"})
    assert columns(versa, tmp_path)["VERSA_PESQ"] == {"a": 2.5}


def test_failures_are_one_line(versa, tmp_path):
    with pytest.raises(UserError, match="no such file"):
        versa_columns(None, str(tmp_path / "inf.scp"), tmp_path / "none.yaml", tmp_path / "out")
    versa.write_text("- name: stoi\n")
    with pytest.raises(UserError, match="scorer failed .status 1.; see .*versa.log"):
        columns(versa, tmp_path)
    assert not (tmp_path / "out/versa.jsonl").exists()


def test_the_command_writes_them_beside_its_own(versa, tmp_path):
    import numpy as np
    import soundfile

    for folder in ("clean", "enhanced"):
        (tmp_path / folder).mkdir()
        soundfile.write(tmp_path / folder / "u.wav", 0.1 * np.random.default_rng(0).normal(size=8000), 16000)
    out = tmp_path / "scoring"
    arguments = ["--ref_scp", str(tmp_path / "clean"), "--inf_scp", str(tmp_path / "enhanced"), "--nj", "1"]
    arguments += ["--output_dir", str(out), "--metrics", "SI_SDR", "--versa_config", str(versa)]
    assert main(arguments) == 0
    assert read_scp(out / "VERSA_PESQ_spk1") == {"u": "2.5"}
    assert (out / "scores.csv").read_text().splitlines() == [
        "utterance,speaker,SI_SDR,VERSA_PESQ,VERSA_F0_CORR",
        "u,1,100.0,2.5,0.5",
    ]
    assert [item["metric"] for item in json.loads((out / "summary.json").read_text())][1] == "VERSA_PESQ"
    assert "|SI_SDR|100.000|1|0|" in (out / "summary.md").read_text()


def test_without_versa_there_is_a_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    (tmp_path / "speech.yaml").write_text("- name: pesq\n")
    assert versa_columns(None, str(tmp_path / "inf.scp"), tmp_path / "speech.yaml", tmp_path) == {}
    assert "VERSA left empty, package not installed: pip install git+" in capsys.readouterr().err
