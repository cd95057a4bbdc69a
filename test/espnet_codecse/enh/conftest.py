"""A tiny codec, a batch of recordings, and models built through the task as a training builds them."""

import argparse
from pathlib import Path

import numpy as np
import pytest
import torch
from voices import voice

from espnet_codecse.codec import load_codec
from espnet_codecse.codec.mdct.codec import save_mdct_codec
from espnet_codecse.codec.mdct.model import MDCTCodecNet

TEMPLATE = Path(__file__).resolve().parents[3] / "egs2" / "TEMPLATE" / "enh1" / "conf"
NUM_SAMPLES = (6400, 4801, 3200)


@pytest.fixture(scope="session")
def codec_folder(tmp_path_factory):
    """A transform codec of unit scale whose quantiser fits: with a random one, no step along its gradient helps."""
    torch.manual_seed(0)
    net = MDCTCodecNet(num_channels=32, widths=(8, 8), num_codebooks=8, codebook_size=32, codebook_dim=8)
    speech = torch.stack([torch.from_numpy(voice(32000, seed)) for seed in range(4)]).unsqueeze(1)
    with torch.no_grad():
        net.set_scale(net.encoder(speech).std((0, 2)) + 1e-4)
        embedding = net.encoder(speech).transpose(1, 2).reshape(-1, 32)
    net.quantizer.fit(embedding, torch.ones(32), generator=torch.Generator().manual_seed(0))
    folder = tmp_path_factory.mktemp("codec") / "tiny"
    save_mdct_codec(net, folder)
    return str(folder)


@pytest.fixture
def codec(codec_folder):
    return load_codec(codec_folder)


@pytest.fixture
def waveforms():
    """Mixture, two references and lengths in samples; the mixture is their sum."""
    references = torch.zeros(2, len(NUM_SAMPLES), max(NUM_SAMPLES))
    for index, length in enumerate(NUM_SAMPLES):
        for speaker in range(2):
            references[speaker, index, :length] = torch.from_numpy(voice(length, seed=10 * speaker + index))
    return references.sum(0), references, torch.tensor(NUM_SAMPLES)


@pytest.fixture
def make_model(codec_folder):
    """Return a function that builds the template's nac_se, made tiny, through the task."""
    from espnet_codecse.task.configuration import build_configuration
    from espnet_codecse.task.enhancement import EmbeddingEnhancementTask

    def make(loss: str = "pre", separator_conf=None, **changes) -> torch.nn.Module:
        configuration = build_configuration(TEMPLATE, TEMPLATE, "nac_se", "1_enhance", codec_folder, None, loss)
        tiny = {"width": 16, "num_layers": 1, "num_heads": 2, "ffn_width": 16, "dropout": 0.0, "normalize": "utterance"}
        configuration["separator_conf"].update(tiny, **(separator_conf or {}))
        configuration.update({"model_conf": {}, **changes})
        torch.manual_seed(0)
        np.random.seed(0)
        return EmbeddingEnhancementTask.build_model(argparse.Namespace(**configuration))

    return make
