"""``codecse init_codec``, ``train_codec`` and ``pack_codec``: from speech to a folder that ``--codec`` takes."""

from pathlib import Path

import pytest
import soundfile
import torch
import yaml

from espnet_codecse.bin.main import main
from espnet_codecse.codec import load_codec
from espnet_codecse.fileio import write_scp

TINY = {"num_channels": 32, "widths": [8, 8], "num_codebooks": 4, "codebook_size": 16, "codebook_dim": 8}


@pytest.fixture
def given(tmp_path, voice):
    """Configuration and clean speech."""
    config = {"codec": "mdct", "codec_conf": {"sampling_rate": 16000, "generator_params": TINY}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    table = {f"utt{seed}": str(tmp_path / f"{seed}.wav") for seed in range(3)}
    for seed, path in enumerate(table.values()):
        soundfile.write(path, voice(16000, seed), 16000)
    write_scp(tmp_path / "wav.scp", table)
    return tmp_path


def initialise(folder, output="init.pth"):
    command = ["init_codec", "--config", str(folder / "config.yaml"), "--wav_scp", str(folder / "wav.scp")]
    return main([*command, "--output", str(folder / output)])


def pack(folder, checkpoint="init.pth"):
    return main(["pack_codec", "--checkpoint", str(folder / checkpoint), "--output_dir", str(folder / "packed")])


@pytest.mark.slow
def test_from_speech_to_a_codec(given, capsys):
    assert initialise(given) == 0
    assert "k-means on" in capsys.readouterr().out
    assert initialise(given, "again.pth") == 0
    first, again = torch.load(given / "init.pth"), torch.load(given / "again.pth")
    assert all(torch.equal(value, again[key]) for key, value in first.items())  # the same seed, the same codec
    assert pack(given) == 0
    codec = load_codec(str(given / "packed"))
    assert codec.fingerprint in capsys.readouterr().out
    speech = torch.from_numpy(soundfile.read(given / "0.wav", dtype="float32")[0])[None]
    embedding, _frames = codec.encode(speech, torch.tensor([16000]))
    quantized, codes = codec.quantize(embedding)
    assert codes.shape == (1, 4, 50)
    assert (quantized - embedding).square().mean() < 0.85 * embedding.square().mean()
    assert 0.2 < embedding.std() < 5  # normalised


@pytest.mark.slow
def test_training_goes_on_from_the_initialisation(given):
    template = Path(__file__).parents[3] / "egs2/TEMPLATE/codec1/conf/train_mdct.yaml"
    config = yaml.safe_load(template.read_text())
    config["codec_conf"]["generator_params"] = TINY
    config["codec_conf"]["mel_loss_params"].update(range_start=6, range_end=7, n_mels=10)
    config.update(batch_size=2, chunk_length=8000, num_cache_chunks=4, num_workers=0)
    (given / "config.yaml").write_text(yaml.safe_dump(config))
    assert initialise(given) == 0
    shape = given / "audio_shape"
    shape.write_text("".join(f"utt{seed} 16000\n" for seed in range(3)))
    command = ["train_codec", "--config", str(given / "config.yaml"), "--output_dir", str(given / "exp")]
    for split in ("train", "valid"):
        command += [f"--{split}_data_path_and_name_and_type", f"{given / 'wav.scp'},audio,sound"]
        command += [f"--{split}_shape_file", str(shape)]
    options = ["--init_param", str(given / "init.pth"), "--max_epoch", "1", "--num_iters_per_epoch", "3", "--ngpu", "0"]
    assert main([*command, *options]) == 0
    before, after = torch.load(given / "init.pth"), torch.load(given / "exp/1epoch.pth")
    moved = [key for key, value in before.items() if not torch.allclose(after[key], value)]
    assert moved and all("refiner" in key or ".learned." in key for key in moved if "generator" in key)
    assert pack(given, "exp/1epoch.pth") == 0
    assert load_codec(str(given / "packed")).dim == TINY["num_channels"]


@pytest.mark.slow
def test_the_gain_scales_the_made_up_band_only(given):
    assert initialise(given) == 0
    state = torch.load(given / "init.pth")
    key = max(name for name in state if name.startswith("codec.generator.decoder.learned.") and "convolution" in name)
    torch.nn.init.normal_(state[key])  # before training the path gives nothing
    torch.save(state, given / "init.pth")
    outputs = []
    for gain in ("0", "0.5", "1"):
        folder = given / f"packed_{gain}"
        options = ["--output_dir", str(folder), "--high_band_gain", gain]
        assert main(["pack_codec", "--checkpoint", str(given / "init.pth"), *options]) == 0
        codec = load_codec(str(folder))
        embedding = torch.randn(1, 20, codec.dim, generator=torch.Generator().manual_seed(0))
        outputs.append(codec.decode(embedding, torch.tensor([20]), 6400))
    none, half, whole = outputs
    assert (whole - none).abs().max() > 0.01
    assert torch.allclose(half - none, (whole - none) / 2, atol=1e-5)


def test_what_is_refused(given, capsys):
    assert pack(given, "none.pth") == 1
    assert "none.pth: no such checkpoint" in capsys.readouterr().err
    torch.save({"codec.generator.x": torch.zeros(1)}, given / "other.pth")
    assert pack(given, "other.pth") == 1
    assert "other.pth: does not fit" in capsys.readouterr().err
    soundfile.write(given / "1.wav", torch.zeros(800).numpy(), 8000)
    assert initialise(given) == 1
    assert "8000 Hz is not the codec's rate" in capsys.readouterr().err
    for content in ("", "codec: mdct\n", "a: ["):
        (given / "config.yaml").write_text(content)
        for command in (initialise, pack):
            assert command(given) == 1
            error = capsys.readouterr().err
    assert "config.yaml: " in error and "not a configuration of codec training" in error
    (given / "config.yaml").unlink()
    assert initialise(given) == 1 and pack(given) == 1
