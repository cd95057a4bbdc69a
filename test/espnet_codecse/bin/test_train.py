"""``codecse train`` through ESPnet's own trainer on tiny data, and ``codecse infer`` with its result."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from tiny_codecs import save_mdct

from espnet_codecse.audio import audio_info
from espnet_codecse.bin.main import main
from espnet_codecse.embedding.extract import extract
from espnet_codecse.fileio import read_scp

TINY = {"width": 16, "num_layers": 1, "num_heads": 2, "ffn_width": 16, "normalize": "global"}


@pytest.fixture
def prepared(make_data_dir, tmp_path):
    """Codec, data directories, stored embeddings and a tiny recipe's configuration."""
    codec = str(save_mdct(tmp_path / "codec"))
    for folder in (make_data_dir("train", 4), make_data_dir("valid", 2)):
        extract(codec, folder, tmp_path / "emb" / folder.name, "continuous", "3", 1)
    assert main(["embedding_stats", str(tmp_path / "emb" / "train"), str(tmp_path / "stats")]) == 0
    recipe = tmp_path / "conf" / "nac_se"
    recipe.mkdir(parents=True)
    changes = {"separator_conf": TINY, "batch_size": 2, "crop_seconds": 0.5, "num_workers": 0, "max_epoch": 1}
    (recipe / "1_enhance.yaml").write_text(yaml.safe_dump(changes))
    config = ["config", "--system", "nac_se", "--step", "1_enhance", "--codec", codec]
    config += ["--recipe_conf", str(tmp_path / "conf"), "--output", str(tmp_path / "train.yaml")]
    assert main(config) == 0
    return tmp_path


def training(folder: Path, output: str, *options: str) -> list:
    command = ["train", "--config", str(folder / "train.yaml"), "--output_dir", str(folder / output)]
    for mode in ("train", "valid"):
        command += [f"--{mode}_dir", str(folder / mode), f"--{mode}_embeddings", str(folder / "emb" / mode)]
    return [*command, "--embedding_stats", str(folder / "stats" / "stats.npz"), *options]


@pytest.mark.slow
def test_two_steps_then_resume_then_enhance(prepared, monkeypatch, capsys):
    monkeypatch.chdir(prepared)
    experiment = prepared / "exp"
    assert main(training(prepared, "exp")) == 0
    first = torch.load(experiment / "1epoch.pth")
    assert os.readlink(experiment / "valid.loss.best.pth") == "1epoch.pth"
    assert first["separator.normalization.std"].min() > 0
    # A run that died between the checkpoint and the epoch's file: the next one writes it and goes on.
    for path in [*experiment.glob("*epoch.pth"), *experiment.glob("*best.pth"), experiment / "latest.pth"]:
        path.unlink()
    assert main(training(prepared, "exp", "--max_epoch", "2", "--keep_nbest_models", "2")) == 0
    # Length may change on the command line, the network may not.
    capsys.readouterr()
    assert main(training(prepared, "exp", "--max_epoch", "3", "--separator_conf", "num_layers=2")) == 1
    assert "was trained with another separator_conf" in capsys.readouterr().err
    again = torch.load(experiment / "1epoch.pth")
    assert all(torch.equal(value, again[key]) for key, value in first.items())
    second = torch.load(experiment / "2epoch.pth")
    assert any(not torch.equal(value, second[key]) for key, value in first.items())
    kept = yaml.safe_load((experiment / "config.yaml").read_text())
    assert len(kept["encoder_conf"]["fingerprint"]) == 16 and kept["separator_conf"]["activation"] == "snake"

    out = prepared / "enhanced"
    infer = ["infer", "--train_config", str(experiment / "config.yaml"), "--output_dir", f"{out}/{{layer}}"]
    infer += ["--model_file", str(experiment / "valid.loss.best.pth"), str(prepared / "valid" / "wav.scp")]
    infer += ["--layers", "continuous", "quantized"]
    assert main(infer) == 0
    assert main([*infer, "--collect"]) == 0
    for layer in ("continuous", "quantized"):
        files = read_scp(out / layer / "spk1.scp")
        assert set(files) == set(read_scp(prepared / "valid" / "wav.scp"))
        assert all(audio_info(path) == (16000, 16000, 1) for path in files.values())


@pytest.mark.slow
def test_statistics_of_a_training_on_the_fly(prepared, monkeypatch, capsys):
    monkeypatch.chdir(prepared)
    stored = training(prepared, "exp")
    assert main([item for item in stored if "stats" not in str(item)]) == 1
    assert "--embedding_stats: missing" in capsys.readouterr().err.splitlines()[-1]
    for mode in ("train", "valid"):
        assert main(["format", "--fs", "16000", mode, f"raw/{mode}"]) == 0
    command = ["train", "--config", "train.yaml", "--train_dir", "raw/train", "--valid_dir", "raw/valid"]
    command += ["--seed", "3"]
    assert main([*command, "--output_dir", "first"]) == 0
    found = np.load("first/embedding_stats.npz")
    weights = torch.load("first/1epoch.pth")
    for name in ("mean", "std"):
        np.testing.assert_array_equal(weights[f"separator.normalization.{name}"].numpy(), found[name])
    # Of segments of the recordings whose stored embeddings the others are of.
    np.testing.assert_allclose(found["std"], np.load("stats/stats.npz")["std"], rtol=0.5)
    # A run that goes on finds them.
    before = os.stat("first/embedding_stats.npz").st_mtime_ns
    assert main([*command, "--output_dir", "first", "--max_epoch", "2"]) == 0
    assert os.stat("first/embedding_stats.npz").st_mtime_ns == before and Path("first/2epoch.pth").is_file()


def test_errors_before_the_training_starts(prepared, capsys):
    capsys.readouterr()
    assert main(training(prepared, "exp", "--batch_size", "9")) == 1
    assert "4 utterances are fewer than batch_size 9" in capsys.readouterr().err
    (prepared / "train" / "wav.scp").unlink()
    (prepared / "emb" / "train" / "emb_mix.scp").unlink()
    assert main(training(prepared, "exp")) == 1
    assert "emb_mix.scp: missing" in capsys.readouterr().err
    (prepared / "train.yaml").unlink()
    assert main(training(prepared, "exp")) == 1
    error = capsys.readouterr().err
    assert "codecse train: " in error and error.count("\n") == 1
    assert not (prepared / "exp").exists()


@pytest.mark.slow
@pytest.mark.parametrize("mode, phase", [("train", "training"), ("valid", "validation")])
def test_a_training_without_a_finite_loss_stops(prepared, monkeypatch, capfd, mode, phase):
    monkeypatch.chdir(prepared)
    for ark in (prepared / "emb" / mode / "parts").glob("*.ark"):
        content = ark.read_bytes()
        # NaN as the range of each compressed matrix, behind "\\0BCM2 " and the minimum.
        for place in (match.end() + 4 for match in re.finditer(rb"\0BCM2? ", content)):
            content = content[:place] + np.float32(np.nan).tobytes() + content[place + 4 :]
        assert content != ark.read_bytes()
        ark.write_bytes(content)
    assert main(training(prepared, "exp", "--max_epoch", "3")) == 1
    line = next(line for line in capfd.readouterr().err.splitlines() if line.startswith("codecse train: "))
    assert f"epoch 1: the loss of {phase} was NaN or infinite in all of its" in line
    assert not list((prepared / "exp").glob("*.pth"))


class _Exploit:
    """Its unpickling would make a folder."""

    def __init__(self, trace: Path):
        self.trace = str(trace)

    def __reduce__(self):
        return os.mkdir, (self.trace,)


@pytest.mark.parametrize("option", ["--init_param", "--init_p"])
def test_initial_weights_are_never_run_as_code(prepared, monkeypatch, option, capsys):
    monkeypatch.chdir(prepared)
    trace = prepared / "trace"
    torch.save({"separator.weight": _Exploit(trace)}, prepared / "forged.pth")
    assert main(training(prepared, "exp", option, f"{prepared}/forged.pth:separator:separator")) == 1
    assert "forged.pth: not a plain checkpoint" in capsys.readouterr().err
    assert not trace.exists() and not (prepared / "exp").exists()


LOW_LIMIT = """
import json, resource, sys
import espnet_codecse.task.enhancement
from espnet_codecse.bin.main import main
soft, hard = map(int, sys.argv[1:3])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
sys.exit(main(json.loads(sys.argv[3])))
"""


@pytest.mark.slow
def test_few_file_descriptors(prepared):
    """A low limit is raised as far as allowed; otherwise, one line says it, and the next run starts properly."""

    def run(soft, hard, *options):
        words = training(prepared, "exp", "--num_workers", "4", "--use_matplotlib", "false", *options)
        source = [sys.executable, "-c", LOW_LIMIT, str(soft), str(hard), json.dumps(words)]
        return subprocess.run(source, cwd=prepared, capture_output=True, text=True, check=False, timeout=600)

    failed = run(24, 24)
    assert failed.returncode == 1
    message = "codecse train: --num_workers 4: needs up to 128 open files, but the limit is 24; raise it with"
    assert message in failed.stderr and "Traceback" not in failed.stderr and not (prepared / "exp").exists()
    assert run(24, 4096).returncode == 0
    assert torch.load(prepared / "exp" / "1epoch.pth")
