"""A small untrained codec as a folder, and a data directory of synthetic recordings."""

import numpy as np
import pytest
import soundfile
from tiny_codecs import save_mdct

from espnet_codecse.fileio import write_scp

RATE = 16000
# The last two are not multiples of the hop; the first is a single sample.
NUM_SAMPLES = {"a": 1, "b": 4800, "c": 3200, "d": 9601, "e": 12345}


@pytest.fixture(scope="session")
def codec_folder(tmp_path_factory):
    return str(save_mdct(tmp_path_factory.mktemp("codec") / "tiny"))


@pytest.fixture
def data_dir(tmp_path):
    """Two speakers and noise; the folder's name holds a space."""
    folder = tmp_path / "data dir"
    random = np.random.default_rng(0)
    for name in ("wav", "spk1", "spk2", "noise1"):
        (folder / name).mkdir(parents=True)
        table = {}
        for key, num_samples in NUM_SAMPLES.items():
            table[key] = str(folder / name / f"{key}.wav")
            soundfile.write(table[key], 0.1 * random.normal(size=num_samples), RATE)
        write_scp(folder / f"{name}.scp", table)
    return folder


@pytest.fixture
def make_other_codec(tmp_path):
    """A function that makes a codec of the same shape with other weights."""
    return lambda: str(save_mdct(tmp_path / "other_codec", seed=1))
