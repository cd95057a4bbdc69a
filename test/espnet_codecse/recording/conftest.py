"""A tiny codec and model, and recordings in the formats that people have."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from tiny_codecs import save_mdct
from tiny_models import save_experiment
from voices import voice


@pytest.fixture(scope="session")
def codec_folder(tmp_path_factory) -> str:
    return str(save_mdct(tmp_path_factory.mktemp("recording") / "codec"))


@pytest.fixture(scope="session")
def model(tmp_path_factory, codec_folder) -> str:
    return str(save_experiment(tmp_path_factory.mktemp("recording") / "model", codec_folder))


@pytest.fixture(scope="session")
def model_of_two(tmp_path_factory, codec_folder) -> str:
    return str(save_experiment(tmp_path_factory.mktemp("recording") / "two", codec_folder, num_spk=2))


def write(path: Path, seconds=0.6, rate=16000, channels=1, subtype=None, seed=0, **options) -> Path:
    """Write a recording of voices, one a channel; ``num_samples`` instead of seconds where that must be exact."""
    num_samples = options.pop("num_samples", round(seconds * rate))
    samples = np.stack([voice(num_samples, seed + channel, rate) for channel in range(channels)], axis=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate, subtype=subtype, **options)
    return path


@pytest.fixture(name="write")
def write_function():
    """The function ``write(path, seconds, rate, channels, subtype)``."""
    return write
