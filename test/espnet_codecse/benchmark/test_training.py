"""``codecse benchmark training``: counted operations, known peaks, and a report of every system that it can train."""

import pytest
import torch
import yaml
from tiny_codecs import save_mdct
from tiny_dual_branch import DISCRIMINATORS, MDCT, ROFORMER, SUPERVISED

from espnet_codecse.benchmark.macs import count_macs, count_step_flops
from espnet_codecse.benchmark.training import PEAK_TFLOPS, find_peak, measured_flops
from espnet_codecse.bin.main import main
from espnet_codecse.precision import LSTM

ADAM = {"optim": "adam", "optim_conf": {"lr": 0.001}, "grad_clip": 5.0, "batch_size": 2}


def test_a_trained_network_takes_six_operations_per_multiplication():
    network = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Linear(16, 4))
    values = torch.randn(5, 8, requires_grad=True)
    macs = count_macs(lambda: network(values))
    assert macs == 5 * (8 * 16 + 16 * 4)
    assert count_step_flops(lambda: network(values).sum().backward()) == 6 * macs
    network.requires_grad_(False)  # only passes the gradient on
    assert count_step_flops(lambda: network(values).sum().backward()) == 4 * macs
    lstm = LSTM(8, 16, batch_first=True)
    sequence = torch.randn(2, 5, 8, requires_grad=True)
    macs = count_macs(lambda: lstm(sequence))
    assert count_step_flops(lambda: lstm(sequence)[0].sum().backward()) == pytest.approx(6 * macs, rel=0.1)


def test_peaks(monkeypatch):
    assert find_peak("cpu", torch.float32, 2.0).flops == 2e12
    assert measured_flops("cpu", torch.float32, 64, 2) > 1e6
    for name, expected in (("NVIDIA H200", 989), ("NVIDIA A100-SXM4-80GB", 312), ("NVIDIA GeForce RTX 4090", 165)):
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda device, name=name: name)
        assert find_peak("cuda", torch.bfloat16).flops == 1e12 * expected
    assert set(PEAK_TFLOPS) == {"H200", "H100", "A100", "L40S", "RTX 4090"}


def embedding(folder):
    codec = {"codec": str(save_mdct(folder / "codec"))}
    loss = {"name": "embedding_mse", "conf": {}, "wrapper": "fixed_order", "wrapper_conf": {"weight": 1.0}}
    size = {"width": 16, "num_layers": 1, "num_heads": 2, "ffn_width": 16, "normalize": "utterance"}
    parts = {"encoder": "codec", "encoder_conf": codec, "decoder": "codec", "decoder_conf": dict(codec)}
    return {**parts, **ADAM, "separator": "nac_se", "separator_conf": size, "criterions": [loss]}


def causal(folder):
    stft = {"n_fft": 512, "win_length": 400, "hop_length": 320}
    loss = {"name": "mse_td", "conf": {}, "wrapper": "fixed_order", "wrapper_conf": {"weight": 1.0}}
    parts = {"encoder": "stft", "encoder_conf": stft, "decoder": "stft", "decoder_conf": dict(stft)}
    separator = {"separator": "gcrn", "separator_conf": {"channels": [2, 2, 4, 4, 4]}}
    return {"task": "causal", **parts, **separator, **ADAM, "criterions": [loss]}


def dual_branch(folder):
    return {
        "task": "dual_branch",
        **ADAM,
        "optim2": "adam",
        "optim2_conf": {"lr": 0.001},
        "generator_first": True,
        "coder_conf": MDCT,
        "generator_conf": {"num_quantizers": 2, "roformer": ROFORMER},
        "discriminator_conf": DISCRIMINATORS,
        "reconstruction_conf": {"mel_windows": [256], "mel_bins": [20]},
        "model_conf": {"weights": SUPERVISED},
    }


@pytest.mark.slow
@pytest.mark.parametrize("system, more", [(embedding, ["--stored"]), (embedding, []), (causal, []), (dual_branch, [])])
def test_report(tmp_path, system, more):
    config = tmp_path / "train.yaml"
    config.write_text(yaml.safe_dump(system(tmp_path)))
    output = tmp_path / "speed.md"
    options = ["--config", str(config), "--seconds", "0.5", "--rounds", "1", "--steps", "2", "--output", str(output)]
    options += ["--dtypes", "float32", "bfloat16", "--peak_tflops", "0.1", "--num_threads", "1", *more]
    assert main(["benchmark", "training", *options]) == 0
    text = output.read_text()
    assert "2 recordings of 0.5 s a step, " + ("stored embeddings" if more else "waveforms") in text
    rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith(("|float32", "|bfloat16"))]
    assert [row[0] for row in rows] == ["float32", "bfloat16"]
    for row in rows:
        steps, factor, tflops, mfu = float(row[1].split()[0]), float(row[2]), float(row[3]), float(row[5])
        assert factor == pytest.approx(1 / steps, rel=0.02)  # a step has one second of audio
        assert mfu == pytest.approx(100 * tflops / 0.1, rel=0.02) and mfu > 0 and row[4] == "0.1 (given)"


def test_what_it_refuses(tmp_path, capsys):
    config = tmp_path / "train.yaml"
    config.write_text(yaml.safe_dump({"task": "causal"}))
    assert main(["benchmark", "training", "--config", str(config), "--stored"]) == 1
    assert "--stored: only systems on embeddings" in capsys.readouterr().err
