"""A file where a folder should be, or the reverse: each command says so in one line."""

import shutil

import pytest
from tiny_codecs import save_mdct

from espnet_codecse.bin.main import main

RUNNER = "python3 -m espnet_codecse.job"
FORMAT = ["format", "data", "out", "--nj", "1", "--fs", "8k"]
EXTRACT = ["extract", "--codec", "codec", "data", "out", "--nj", "1"]
INFER = ["infer", "--codec", "codec", "--output_dir", "out", "data/wav.scp"]
SCORE = ["score", "--ref_scp", "data/spk1.scp", "--inf_scp", "data/wav.scp", "--output_dir", "out", "--metrics"]
SCORE += ["SI_SDR", "--nj", "1"]
FILE = "a file is where a folder should be"


@pytest.fixture
def here(make_data_dir, tmp_path, monkeypatch):
    make_data_dir(num_utterances=1)
    save_mdct(tmp_path / "codec")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "command, blocked, text",
    [
        *[(FORMAT, name, FILE) for name in ("out", "out/data", "out/.parts")],
        *[(FORMAT, f"out/{name}/x", "cannot be written") for name in (".done", "wav.scp", "rejected.tsv")],
        *[(EXTRACT, name, FILE) for name in ("out", "out/parts")],
        (INFER, "out", FILE),
        (SCORE, "out", FILE),
        (SCORE, "out/scores.jsonl/x", "cannot be read"),
        ([*SCORE, "--cmd", RUNNER], "out/log", "some parts failed"),
    ],
)
def test_a_file_where_a_folder_should_be(here, command, blocked, text, capfd):
    (here / blocked).parent.mkdir(parents=True, exist_ok=True)
    (here / blocked).write_text("")
    assert main(command) == 1
    errors = capfd.readouterr().err
    assert "Traceback" not in errors
    (line,) = [line for line in errors.splitlines() if line.startswith(f"codecse {command[0]}: ")]
    assert text in line and "out" in line


def test_statistics(here, capfd):
    assert main(EXTRACT) == 0
    (here / "stats/.done/x").mkdir(parents=True)
    assert main(["embedding_stats", "out", "stats"]) == 1
    assert "stats/.done: cannot be written (Is a directory)" in capfd.readouterr().err
    shutil.rmtree(here / "stats")
    (here / "stats").write_text("")
    assert main(["embedding_stats", "out", "stats"]) == 1
    assert FILE in capfd.readouterr().err
