"""A tiny model built by the real task, its pack, and packs that somebody spoilt on purpose."""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from tiny_codecs import save_mdct
from zoo_packs import STEP, read_members

from espnet_codecse.zoo.find import find_model
from espnet_codecse.zoo.manifest import MANIFEST
from espnet_codecse.zoo.pack import PackOptions, pack_model, write_zip

SEPARATOR = {"width": 16, "num_layers": 1, "num_heads": 2, "ffn_width": 16, "normalize": "global"}


@pytest.fixture(scope="session")
def codec_folder(tmp_path_factory) -> str:
    return str(save_mdct(tmp_path_factory.mktemp("zoo_codec") / "tiny"))


@pytest.fixture(scope="session")
def experiment(tmp_path_factory, codec_folder) -> Path:
    """An experiment folder of ``enh.sh`` as a training leaves it: configuration, checkpoints, scores."""
    from espnet_codecse.task.enhancement import EmbeddingEnhancementTask

    folder = tmp_path_factory.mktemp("zoo")
    step = folder / STEP
    step.mkdir(parents=True)
    options = EmbeddingEnhancementTask.get_default_config()
    options.update(
        encoder="codec", encoder_conf={"codec": codec_folder}, decoder="codec", decoder_conf={"codec": codec_folder},
        separator="nac_se", separator_conf=dict(SEPARATOR), model_conf={}, output_dir=str(step), max_epoch=3,
        criterions=[{"name": "embedding_mse", "conf": {}, "wrapper": "fixed_order", "wrapper_conf": {"weight": 1.0}}],
        train_data_path_and_name_and_type=[[f"{folder}/dump/wav.scp", "speech_mix", "sound"]],
        noise_scp=f"{folder}/noise.scp", init_param=["/somewhere/else.pth"],
    )  # fmt: skip
    args = argparse.Namespace(**options)
    torch.manual_seed(0)
    model = EmbeddingEnhancementTask.build_model(args)
    model.separator.normalization.set_statistics(torch.full((32,), 0.01), torch.full((32,), 0.5))
    (step / "config.yaml").write_text(yaml.safe_dump(vars(args)))
    torch.save(model.state_dict(), step / "3epoch.pth")
    (step / "valid.loss.best.pth").symlink_to("3epoch.pth")
    # What a training keeps beside: an optimiser's state, twice the weights.
    torch.save({"model": model.state_dict(), "optimizers": [{}]}, step / "checkpoint.pth")
    scoring = folder / "exp/nac_se_tiny/continuous_test/scoring"
    scoring.mkdir(parents=True)
    (scoring / "PESQ_spk1").write_text("utt1 1.5\nutt2 2.5\n")
    (scoring / "SI_SDR_spk1").write_text("utt1 10\nutt2 12\n")
    (folder / "RESULTS.md").write_text(f"# RESULTS\n\nConfiguration: {Path.cwd()}/exp/x/config.yaml\n")
    return folder / "exp/nac_se_tiny"


@pytest.fixture(scope="session")
def pack(experiment, tmp_path_factory) -> Path:
    """The pack of the experiment."""
    path = tmp_path_factory.mktemp("packs") / "nac_se_tiny.zip"
    options = PackOptions(
        license="apache-2.0", datasets=["made up"], documents=[experiment.parents[1] / "RESULTS.md"],
        figures=[("enhanced", experiment / "continuous_test/scoring")],
    )  # fmt: skip
    pack_model(find_model(str(experiment)), path, options)
    return path


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    """An empty cache for unpacked models."""
    monkeypatch.setenv("CODECSE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def forge(pack, tmp_path) -> Callable[..., Path]:
    """Return a function that changes a pack and lists the right sizes and hashes of what it changed."""

    def make(change: Callable[[dict[str, bytes], dict], None]) -> Path:
        members = read_members(pack)
        manifest = yaml.safe_load(members.pop(MANIFEST))
        manifest.pop("files")
        change(members, manifest)
        path = tmp_path / "forged.zip"
        write_zip(path, manifest, members)
        return path

    return make


@pytest.fixture
def noisy(voice) -> np.ndarray:
    """``(2, 16001)`` at 16 kHz."""
    return np.stack([voice(16001, 1), voice(16001, 2)])
