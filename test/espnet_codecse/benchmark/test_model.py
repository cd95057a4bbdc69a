"""The cost of a trained model, by the command."""

import re

import pytest
from tiny_codecs import save_mdct
from tiny_models import save_experiment

from espnet_codecse.bin.benchmark import main


@pytest.fixture(scope="module", name="experiment")
def small_experiment(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exp")
    codec = folder / "codec"
    save_mdct(codec)
    return save_experiment(folder / "1_enhance", str(codec))


def rows_of(text, heading):
    part = text.split(f"## {heading}\n")[1].split("\n## ")[0]
    return [line.strip("|").split("|") for line in part.splitlines() if line.startswith("|")][2:]


def test_table_of_sizes_speeds_training_and_published_figures(experiment, tmp_path, capsys):
    (experiment / "train.log").write_text(
        "1epoch:train:11-20batch: iter_time=0.1, forward_time=0.1, optim0_lr0=1.0e-04, train_time=0.5\n"
    )
    published = tmp_path / "published.yaml"
    published.write_text("- {row: LatentSE, GMAC: 3.94, source: abstract}\n")
    arguments = ["model", "--model", str(experiment), "--num_threads", "1", "--rounds", "2", "--lengths", "0.5", "1"]
    main([*arguments, "--batch_sizes", "1", "2", "--published", str(published), "--output", str(tmp_path / "COST.md")])
    text = (tmp_path / "COST.md").read_text()
    separator, codec, together = rows_of(text, "Size and multiplications")
    encoder, decoder = (float(value) for value in codec[2].split(" + "))
    assert float(together[2]) == pytest.approx(float(separator[2]) + encoder + decoder, abs=2e-3)
    assert float(separator[3]) <= float(separator[2])  # attention is not seen by hooks on modules
    speeds = rows_of(text, "Speed and memory")
    assert [(row[1], row[2]) for row in speeds] == [("1", "0.5"), ("1", "1"), ("2", "0.5"), ("2", "1")]
    for row in speeds:
        median, low, high = (float(value) for value in re.findall(r"\d+\.\d+", row[3]))
        assert 0 < low <= median <= high
    assert "2 steps per second (median of train.log), 20.0 % of the time" in text
    assert rows_of(text, "Published") == [["LatentSE", "3.94", "abstract"]]
    assert capsys.readouterr().out == ""
