"""Tiny models of both steps."""

import pytest
import torch
from random_weights import randomized
from tiny_codecs import save_mdct

from espnet_codecse.fuse.build import build_fuse_model, build_vae_model

VAE = {"channels": [8, 16], "layers_per_block": 1, "latent_channels": 4, "norm_groups": 4, "mid_attention": False}
DENOISER = {"channels": [16, 16], "attention_levels": [1], "layers_per_block": 1, "norm_groups": 4, "head_channels": 8}
WINDOW = 32  # frames


@pytest.fixture
def vae_settings():
    return dict(VAE)


@pytest.fixture(scope="session")
def codec_folder(tmp_path_factory):
    return str(save_mdct(tmp_path_factory.mktemp("codec") / "tiny"))


@pytest.fixture
def vae_model():
    torch.manual_seed(0)
    return build_vae_model({}, VAE, {}, WINDOW)


@pytest.fixture
def make_fuse(codec_folder):
    """Return a function that builds a model with a VAE that counts as trained."""

    def make(guidance=None, diffusion=None, **changes):
        torch.manual_seed(0)
        given = {"window_frames": WINDOW, "codec": codec_folder, **changes}
        model = build_fuse_model(
            {}, VAE, DENOISER, diffusion or {}, guidance if guidance is not None else {"kind": "none"}, **given
        )
        model.vae.num_batches += 1
        randomized(model.denoiser)
        model.average.follow(model.denoiser)
        return model.eval()

    return make
