"""What was scored is found by its descriptions, and tables call it what labels are read as."""

import itertools
import json

import pytest
from report_tree import TRAIN_LOG

from espnet_codecse.bin import results, score_outputs
from espnet_codecse.errors import UserError
from espnet_codecse.fileio import read_scp, write_scp
from espnet_codecse.report.experiments import (
    CODEC,
    DESCRIPTION,
    EXPERIMENT,
    KINDS,
    NOISY,
    TARGETS,
    ScoredOutput,
    discover,
    parse_label,
    write_description,
)
from espnet_codecse.report.scores import read_rows
from espnet_codecse.report.scoring import scoring_tasks
from espnet_codecse.report.training_log import MACHINE

SET = "test"


def described(expdir, kind, experiment, layer="", test_set=SET, target="clean"):
    folder = expdir / (experiment if kind == NOISY else f"{experiment}/{kind}_{layer}_{test_set}") / "scoring"
    output = ScoredOutput(kind, experiment, test_set, layer, target, folder)
    write_description(output)
    write_scp(folder / "PESQ_spk1", {"a": 1.0})
    return output


@pytest.mark.parametrize("kind, target", itertools.product(KINDS, TARGETS))
def test_a_label_is_read_as_it_was_written(kind, target):
    layer = "" if kind == NOISY else "continuous"
    output = ScoredOutput(kind, "x", SET, layer, target)
    assert ScoredOutput(experiment="x", **parse_label(f"{SET}/{output.name}")) == output
    assert parse_label(output.name)["test_set"] == ""


def test_everything_described_is_found_in_the_order_of_the_tables(tmp_path):
    expected = [
        described(tmp_path, NOISY, "noisy_test"),
        described(tmp_path, "ceiling", "codec_small", "continuous"),
        described(tmp_path, CODEC, "codec_small", "continuous"),
        described(tmp_path, EXPERIMENT, "a", "continuous"),
        described(tmp_path, EXPERIMENT, "b", "continuous"),
        described(tmp_path, EXPERIMENT, "a", "quantized"),
        described(tmp_path, EXPERIMENT, "c", "waveform"),
        described(tmp_path, EXPERIMENT, "a", "continuous", "other"),
    ]
    write_scp(tmp_path / "somebody/elses/scoring/PESQ_spk1", {"a": 1.0})
    found = discover(tmp_path, tmp_path / "dump", [SET, "other"])
    assert [output.folder for output in found] == [output.folder for output in expected]
    assert found[0].data_dir == tmp_path / "dump/raw/test"
    assert [output.experiment for output in discover(tmp_path, tmp_path, [SET])] == [
        o.experiment for o in expected[:-1]
    ]
    rows = read_rows(found)
    assert (
        rows[0].label == "test/noisy"
        and rows[1].label == "test/clean, continuous"
        and rows[-1].label == "other/continuous"
    )
    assert [row.label for row in read_rows(found[:2])] == ["noisy", "clean, continuous"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"kind": "noisy"}',
        '{"kind": "x", "experiment": "y", "test_set": "z"}',
        '{"kind": "noisy", "experiment": "y", "test_set": "z", "more": 1}',
    ],
)
def test_a_damaged_description_is_named(tmp_path, text):
    (tmp_path / "noisy_test/scoring").mkdir(parents=True)
    (tmp_path / "noisy_test/scoring" / DESCRIPTION).write_text(text)
    with pytest.raises(UserError, match=f"noisy_test/scoring/{DESCRIPTION}: not .* run stage 7 again"):
        discover(tmp_path, tmp_path, [SET])


@pytest.fixture
def recipe(make_data_dir, tmp_path):
    """A recipe's folders after stage 6 for two speakers: outputs, and the codec's."""
    data = make_data_dir("dump/raw/test", 2)
    (data / "spk2.scp").write_text((data / "wav.scp").read_text())
    (data / "noise1.scp").write_text((data / "spk1.scp").read_text())
    for folder in ("exp/x/continuous_test", "exp/x/quantized_test", "exp/codec_small/clean_continuous_test"):
        for name in ("spk1", "spk2"):
            write_scp(tmp_path / folder / f"{name}.scp", read_scp(data / f"{name}.scp"))
    write_scp(tmp_path / "exp/x/continuous_test/noise1.scp", read_scp(data / "noise1.scp"))
    write_scp(tmp_path / "exp/codec_small/noisy_continuous_test/spk1.scp", read_scp(data / "wav.scp"))
    return tmp_path


def test_what_is_scored_and_against_what(recipe):
    tasks = scoring_tasks(
        recipe / "exp/x", recipe / "exp/codec_small", recipe / "dump", [SET], "SI_SDR", num_spk=2, resynthesised=True
    )
    assert [(t.output.kind, t.output.experiment, t.output.layer, t.output.target) for t in tasks] == [
        ("noisy", "Unprocessed", "", "clean"),
        ("noisy", "Unprocessed", "", "noise"),
        ("ceiling", "codec_small", "continuous", "clean"),
        ("codec", "codec_small", "continuous", "clean"),
        ("experiment", "x", "continuous", "clean"),
        ("experiment", "x", "continuous", "noise"),
        ("experiment", "x", "quantized", "clean"),
        ("experiment", "x", "continuous", "resynthesised"),
        ("experiment", "x", "quantized", "resynthesised"),
    ]
    noisy, copy, _, codec, own, noise, *_, resynthesised = tasks
    assert copy.estimates == [recipe / "exp/noisy_test/wav.scp"] and copy.metrics == "SI_SDR"
    # The mixture, and what has only one output, stands for every speaker.
    assert noisy.estimates == [recipe / "exp/noisy_test/wav.scp"] * 2 and len(noisy.references) == 2
    assert codec.estimates == [recipe / "exp/codec_small/noisy_continuous_test/spk1.scp"] * 2
    assert own.estimates == [recipe / f"exp/x/continuous_test/spk{n}.scp" for n in (1, 2)]
    assert resynthesised.references == [recipe / f"exp/codec_small/clean_continuous_test/spk{n}.scp" for n in (1, 2)]
    assert "--fs" in own.options(8000) and "--fs" not in noise.options(8000)
    with pytest.raises(UserError, match="holds no outputs for other; run stage 6 first"):
        scoring_tasks(recipe / "exp/x", None, recipe / "dump", ["other"], "SI_SDR")


def test_what_leaked_between_two_branches(recipe):
    for folder in (recipe / "exp/x/continuous_test", recipe / "exp/x/quantized_test", recipe / "dump/raw/test"):
        (folder / "spk2.scp").unlink()
    tasks = scoring_tasks(recipe / "exp/x", None, recipe / "dump", [SET], "SI_SDR")
    leaks = {task.output.target: task for task in tasks if task.output.target.startswith("leaked")}
    folder, raw = recipe / "exp/x/continuous_test", recipe / "dump/raw/test"
    for target, estimate, reference in (("leaked_speech", "noise1", "spk1"), ("leaked_noise", "spk1", "noise1")):
        task = leaks.pop(target)
        assert (task.estimates, task.references) == ([folder / f"{estimate}.scp"], [raw / f"{reference}.scp"])
        assert task.metrics == "SI_SDR" and task.output.folder == folder / f"scoring_{target}"
    assert not leaks
    assert tasks[0].output.name == "noisy" and tasks[1].output.name == "noisy, noise"


def test_scored_and_in_the_table_by_one_call_each(recipe, capsys):
    expdir, common = recipe / "exp", ["--dumpdir", str(recipe / "dump"), "--test_sets", SET]
    arguments = [str(expdir / "x"), "--codec_outputs", str(expdir / "codec_small"), "--num_spk", "2", "--nj", "1"]
    assert score_outputs.main([*arguments, *common, "--metrics", "SI_SDR STOI"]) == 0
    assert json.loads((expdir / "x/quantized_test/scoring" / DESCRIPTION).read_text()) == {
        "kind": "experiment", "experiment": "x", "test_set": "test", "layer": "quantized", "target": "clean",
    }  # fmt: skip
    assert set(read_scp(expdir / "x/continuous_test/scoring_noise/LSD_spk1")) == set(
        read_scp(recipe / "dump/raw/test/wav.scp")
    )
    capsys.readouterr()
    assert score_outputs.main([*arguments, *common, "--metrics", "SI_SDR STOI"]) == 0
    assert capsys.readouterr().err.count("utterances skipped (already done)") >= 5
    (expdir / "x/1_separate").mkdir()
    (expdir / "x/1_separate/config.yaml").write_text("")
    log = "".join(TRAIN_LOG.format(epoch=epoch, loss=1.0, valid=1.0) for epoch in (1, 2))
    (expdir / "x/1_separate/train.log").write_text(f"INFO: {MACHINE}Fast X, 1 thread\n" + log)
    options = ["--expdir", str(expdir), *common, "--data_note", "made up", "--output", str(recipe / "RESULTS.md")]
    assert results.main(options) == 0
    text = (recipe / "RESULTS.md").read_text()
    assert text.startswith(f"<!-- Generated by codecse results --expdir {expdir} ") and len(text.splitlines()[0]) < 400
    assert "\nData: made up\n" in text and f"\nConfiguration: {expdir}/x/1_separate/config.yaml. " in text
    assert "/config.yaml. 4 steps in 4 min, Fast X, 1 thread\n" in text
    for section, rows in (("Unprocessed", ["noisy"]), ("codec_small", ["clean, continuous", "noisy, continuous"]),
                          ("x", ["continuous", "quantized", "continuous, noise"])):  # fmt: skip
        part = text.split(f"## {section}\n")[1].split("\n## ")[0]
        assert all(f"\n|{row}|" in part for row in rows), section
