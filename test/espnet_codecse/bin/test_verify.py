"""``codecse pack`` and ``codecse verify`` on the command line."""

import argparse

import pytest
import torch
import yaml
from tiny_codecs import save_mdct

from espnet_codecse.bin.main import main


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    from espnet_codecse.task.enhancement import EmbeddingEnhancementTask

    folder = tmp_path_factory.mktemp("verify")
    codec, step = str(save_mdct(folder / "tiny")), folder / "exp/one/1_enhance"
    step.mkdir(parents=True)
    args = argparse.Namespace(
        encoder="codec", encoder_conf={"codec": codec}, decoder="codec", decoder_conf={"codec": codec}, model_conf={},
        separator="rnn", separator_conf={"num_spk": 2, "layer": 1, "unit": 8},
        criterions=[{"name": "si_snr", "conf": {}, "wrapper": "pit", "wrapper_conf": {"weight": 1.0}}],
    )  # fmt: skip
    torch.save(EmbeddingEnhancementTask.build_model(args).state_dict(), step / "valid.loss.best.pth")
    (step / "config.yaml").write_text(yaml.safe_dump(vars(args)))
    return folder / "exp/one"


def test_verify(experiment, tmp_path, capsys):
    good, bad = tmp_path / "good.zip", tmp_path / "bad.zip"
    assert main(["pack", str(experiment), "--output", str(good), "--name", "two speakers"]) == 0
    assert "all keys and shapes match" in capsys.readouterr().out
    bad.write_bytes(good.read_bytes()[:5000])
    # One wrong pack does not stop the others.
    assert main(["verify", str(bad), str(good), str(tmp_path / "none.zip")]) == 1
    output = capsys.readouterr()
    for text in ("all SHA-256 hashes match", "parameters of rnn", "codec: included, fingerprint",
                 "in, 2 x 16001 out, all finite", f"{good}: verified"):  # fmt: skip
        assert text in output.out
    errors = [line for line in output.err.splitlines() if line.startswith("codecse verify")]
    assert len(errors) == 2 and "bad.zip: not a readable zip" in errors[0] and "none.zip: no such folder" in errors[1]
    assert f"{bad}: verified" not in output.out


def test_an_experiment_is_no_pack(experiment, capsys):
    assert main(["verify", str(experiment)]) == 1
    assert "codecse.yaml is missing; not a pack written by 'codecse pack'" in capsys.readouterr().err
