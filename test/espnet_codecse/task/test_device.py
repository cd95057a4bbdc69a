"""Devices: one that is not there is told in one line, by every command, before it reads anything."""

import pytest
import torch

from espnet_codecse.bin.main import COMMANDS, main
from espnet_codecse.errors import UserError
from espnet_codecse.task.device import check_device, resolve_device

COMMAND_LINES = {
    "enhance": "nowhere.wav -o out",
    "encode": "nowhere.wav -o out",
    "decode": "nowhere.cse -o out",
    "extract": "--codec nowhere data out",
    "extract_latents": "--vae nowhere data out",
    "infer": "--codec nowhere --output_dir out wav.scp",
    "plan": "--train_sets a b --test_sets c --config no.yaml",
    "check": "--codec nowhere --fs 16k",
    "benchmark": "codec --codec nowhere",
    "demo": "--no_browser",
}


@pytest.fixture
def two_gpus(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


def test_devices_that_are_there(two_gpus, monkeypatch):
    assert [resolve_device(name) for name in ("cpu", "cuda", "cuda:1", "auto")] == ["cpu", "cuda", "cuda:1", "cuda"]
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert resolve_device("auto") == "cpu"
    check_device("auto")


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:x", "cpu:0", "cuda:\u00b2", ""])
def test_names_that_are_no_devices(two_gpus, name):
    with pytest.raises(UserError, match=f"--device {name}: must be one of auto, cpu, cuda"):
        check_device(name)


@pytest.mark.parametrize("command", COMMAND_LINES)
def test_a_gpu_that_is_missing_is_told_before_any_work(command, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert main([command, *COMMAND_LINES[command].split(), "--device", "cuda"]) == 1
    error = capsys.readouterr().err
    assert error == f"codecse {command}: --device cuda: PyTorch sees no GPU; pass --device cpu, or see codecse doctor\n"
    assert list(tmp_path.iterdir()) == []


def test_every_command_with_a_device_is_listed(capsys):
    for command in COMMANDS:
        arguments = [command, "codec"] if command == "benchmark" else [command]
        with pytest.raises(SystemExit):
            main([*arguments, "--help"])
        assert ("--device" in capsys.readouterr().out) == (command in COMMAND_LINES), command


def test_check_knows_the_gpus_of_the_training(two_gpus, capsys):
    assert main(["check", "--codec", "nowhere", "--fs", "16k", "--ngpu", "3"]) == 1
    assert "--ngpu 3: PyTorch sees 2 GPU(s); pass --ngpu 2" in capsys.readouterr().err
