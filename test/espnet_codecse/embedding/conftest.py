"""A small untrained codec as a folder, and a data directory of synthetic recordings."""

import numpy as np
import pytest
import soundfile
import torch

from espnet_codecse.fileio import write_scp

RATE = 16000
# The last two are not multiples of the hop; the first is a single sample.
NUM_SAMPLES = {"a": 1, "b": 4800, "c": 3200, "d": 9601, "e": 12345}


def make_codec(folder, seed=0):
    from espnet_codecse.codec.hybrid.codec import save_hybrid_codec
    from espnet_codecse.codec.hybrid.model import HybridCodecNet

    torch.manual_seed(seed)
    net = HybridCodecNet(num_channels=256, widths=(4, 8), num_codebooks=3, codebook_size=16, codebook_dim=4)
    for weight in net.quantizer.parameters():
        torch.nn.init.normal_(weight, std=0.2)
    save_hybrid_codec(net, folder)
    return str(folder)


@pytest.fixture(scope="session")
def codec_folder(tmp_path_factory):
    return make_codec(tmp_path_factory.mktemp("codec") / "tiny")


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
    return lambda: make_codec(tmp_path / "other_codec", seed=1)
