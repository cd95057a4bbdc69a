"""``codecse train_high_band`` on a few synthesised recordings: it learns, and its weights are used."""

import logging

import numpy as np
import pytest
import soundfile
import torch
from voices import voice

from espnet_codecse.audio import resample
from espnet_codecse.bin import train_high_band
from espnet_codecse.errors import UserError
from espnet_codecse.high_band import load


@pytest.fixture
def folders(tmp_path):
    """Return a function from a name to a folder with recordings at 48 kHz, or at 16 kHz."""
    rng = np.random.default_rng(0)

    def write(name, rate, signals):
        folder = tmp_path / name
        folder.mkdir()
        for index, signal in enumerate(signals):
            soundfile.write(folder / f"{index}.wav", signal, rate)
        return str(folder)

    speech = [voice(3 * 16000, seed=seed) for seed in range(4)]
    wide = [resample(signal, 16000, 48000) for signal in speech]
    # A hiss that rises and falls with the voice, as fricatives do.
    wide = [signal + np.abs(signal) * 0.3 * rng.standard_normal(len(signal)) for signal in wide]
    return {
        "speech": write("speech", 48000, wide),
        "narrow_speech": write("narrow", 16000, speech),
        "noise": write("noise", 48000, [0.05 * rng.standard_normal(4 * 48000) for _ in range(2)]),
    }


def options(folders, tmp_path, *more):
    pairs = {**folders, "valid_speech": folders["speech"], "valid_noise": folders["noise"]}
    given = [item for name, folder in pairs.items() for item in (f"--{name}", folder)]
    return [*given, "--num_train", "12", "--num_valid", "4", "--output_dir", str(tmp_path / "out"), *more]


@pytest.mark.slow
def test_training_lowers_the_error(folders, tmp_path, caplog, monkeypatch):
    caplog.set_level(logging.INFO)
    train_high_band.main(options(folders, tmp_path, "--num_steps", "60"))
    scores = [float(message.split()[-1]) for message in caplog.messages if message.startswith("step")]
    assert len(scores) == 20 and min(scores) < 0.8 * scores[0]
    monkeypatch.setattr(load, "WEIGHTS", tmp_path / "out" / "model.safetensors")
    load.load_network.cache_clear()
    network = load.load_network()
    load.load_network.cache_clear()
    gains, _ = network(torch.zeros(1, 3, 42))
    assert gains.shape == (1, 3, 10) and ((gains >= 0.01) & (gains <= 1)).all()


def test_folders_without_full_band_recordings_are_named(folders, tmp_path):
    folders["noise"] = folders["narrow_speech"]
    with pytest.raises(UserError, match=r"--noise .*narrow: no recording at 44100 Hz or more"):
        train_high_band.main(options(folders, tmp_path))
