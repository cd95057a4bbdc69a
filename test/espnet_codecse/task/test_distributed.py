"""Two processes train as one with the same global batch does, in every configuration; launchers are understood."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from tiny_codecs import save_lyra, save_mdct
from tiny_configurations import TEMPLATE, tiny_configurations
from tiny_features import save_beats, save_wav2vec2

from espnet_codecse.bin.main import main
from espnet_codecse.checkpoint import load_checkpoint
from espnet_codecse.embedding.extract import extract
from espnet_codecse.errors import UserError
from espnet_codecse.task.configuration import known_systems
from espnet_codecse.task.device import device_options

ROOT = Path(__file__).resolve().parents[3]
LAUNCHERS = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "SLURM_NTASKS", "SLURM_STEP_NODELIST")
# ESPnet is imported once for both processes; they find what torchrun would have set.
TWO_PROCESSES = """
import json, os, socket, sys
import torch
import espnet_codecse.task.enhancement
from espnet_codecse.bin.main import main

calls = [json.loads(word) for word in sys.argv[1:]]
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in calls]
ports = [item.getsockname()[1] for item in sockets]
for item in sockets:
    item.close()
for rank in (0, 1):
    if os.fork() == 0:
        for call, port in zip(calls, ports):
            os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE="2", LOCAL_WORLD_SIZE="2")
            os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
            if main(call) != 0:
                os._exit(1)
            torch.distributed.destroy_process_group()
        os._exit(0)
sys.exit(any([os.wait()[1] for _ in (0, 1)]))
"""


@pytest.fixture(name="command")
def training_command(make_data_dir, tmp_path):
    """A function that returns the words of a training from stored embeddings."""
    codec = str(save_mdct(tmp_path / "codec"))
    for folder in (make_data_dir("train", 8), make_data_dir("valid", 4)):
        extract(codec, folder, tmp_path / "emb" / folder.name, "continuous", "3", 1)
    recipe = tmp_path / "conf" / "nac_se"
    recipe.mkdir(parents=True)
    size = {"width": 16, "num_layers": 1, "num_heads": 2, "ffn_width": 16, "normalize": "utterance", "dropout": 0.0}
    changes = {"separator_conf": size, "batch_size": 4, "valid_batch_size": 4, "num_workers": 0}
    (recipe / "1_enhance.yaml").write_text(yaml.safe_dump({**changes, "optim_conf": {"lr": 0.01}}))
    config = ["config", "--system", "nac_se", "--step", "1_enhance", "--codec", codec]
    assert main([*config, "--recipe_conf", str(tmp_path / "conf"), "--output", str(tmp_path / "train.yaml")]) == 0

    def command(output: str, *options: str) -> list:
        words = ["train", "--config", str(tmp_path / "train.yaml"), "--output_dir", str(tmp_path / output)]
        for mode in ("train", "valid"):
            words += [f"--{mode}_dir", str(tmp_path / mode), f"--{mode}_embeddings", str(tmp_path / "emb" / mode)]
        words += ["--keep_nbest_models", "2", "--use_matplotlib", "false", "--use_tensorboard", "false"]
        return [*words, *options]

    return command


@pytest.mark.slow
def test_two_processes_train_as_one_does(command, tmp_path, monkeypatch):
    for name in LAUNCHERS:
        monkeypatch.delenv(name, raising=False)
    assert main(command("alone", "--max_epoch", "2")) == 0
    calls = [command("together", "--max_epoch", epochs) for epochs in ("1", "2")]  # the second one goes on
    result = subprocess.run(
        [sys.executable, "-c", TWO_PROCESSES, *map(json.dumps, calls)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        timeout=600,  # a hanging process group fails instead of holding the tests
    )
    assert result.returncode == 0, result.stderr
    alone, together = (load_checkpoint(tmp_path / name / "checkpoint.pth") for name in ("alone", "together"))
    losses = {
        phase: [[run["reporter"]["stats"][epoch][phase]["loss"] for epoch in (1, 2)] for run in (alone, together)]
        for phase in ("train", "valid")
    }
    for values in losses.values():
        np.testing.assert_allclose(*values, rtol=1e-4)
    assert abs(losses["train"][0][1] / losses["train"][0][0] - 1) > 0.01  # it learned something
    for key, value in alone["model"].items():
        torch.testing.assert_close(value, together["model"][key], rtol=1e-3, atol=1e-4)
    for pattern in ("*epoch.pth", "*.best.pth", "latest.pth"):
        names = [sorted(path.name for path in (tmp_path / name).glob(pattern)) for name in ("alone", "together")]
        assert names[0] == names[1] != []


def test_launchers(monkeypatch):
    monkeypatch.setattr(torch, "set_num_threads", lambda number: None)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    for name in LAUNCHERS:
        monkeypatch.delenv(name, raising=False)
    alone = ["--ngpu", "0", "--dist_backend", "gloo"]
    assert device_options([]) == alone
    with pytest.raises(UserError, match="--ngpu 4: PyTorch sees no GPU; pass --ngpu 0"):
        device_options(["--ngpu", "4"])
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    assert device_options(["--max_epoch", "3", "--ngpu", "4"]) == ["--multiprocessing_distributed", "true"]
    assert device_options([]) == ["--ngpu", "1"]
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    assert device_options([]) == ["--ngpu", "1"]  # torchrun: ESPnet reads the rest from the environment


def test_random_numbers_differ_between_processes():
    from espnet_codecse.preprocess.paired_crop import PairedCrop
    from espnet_codecse.preprocess.rank_seed import RankSeed

    frames = np.arange(1000.0)[:, None]

    def draw(rank: int, train: bool = True) -> list:
        np.random.seed(7)
        crop = PairedCrop(train, 10, 1, RankSeed(train, rank))
        return [int(crop("x", {"speech_mix": frames})["speech_mix"][0, 0]) for _ in range(20)]

    draws = [draw(rank) for rank in range(3)]
    assert all(len(set(numbers)) > 15 for numbers in draws)
    assert all(sum(a == b for a, b in zip(draws[i], draws[j])) < 3 for i, j in ((0, 1), (0, 2), (1, 2)))
    assert draws[1] == draw(1) and draw(1, train=False) == [0] * 20


@pytest.mark.slow
def test_every_configuration_trains_in_two_processes(tmp_path):
    configurations = tiny_configurations(
        str(save_mdct(tmp_path / "codec")),
        str(save_lyra(tmp_path / "lyra")),
        save_beats(tmp_path / "beats.pt").removeprefix("beats:"),
        save_wav2vec2(tmp_path / "wav2vec2").removeprefix("transformers:"),
    )
    systems = {name.split("/")[1] for name in configurations}
    assert systems == set(known_systems(TEMPLATE)) and len(configurations) > 50
    (tmp_path / "configurations.json").write_text(json.dumps(configurations))
    helpers = ROOT / "test/helpers"
    result = subprocess.run(
        [sys.executable, str(helpers / "distributed_steps.py"), str(tmp_path / "configurations.json")],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{helpers}", "OMP_NUM_THREADS": "1"},
        timeout=900,
    )
    assert result.returncode == 0, result.stderr
    errors = json.loads(result.stdout.splitlines()[-1])
    assert errors.keys() == configurations.keys()
    assert {name: error for name, error in errors.items() if error} == {}
