"""Small randomly initialised enhancement models, as a training leaves them."""

import argparse
from pathlib import Path

import torch
import yaml

SEPARATOR = {"width": 16, "num_layers": 1, "num_heads": 2, "ffn_width": 16, "normalize": "utterance"}


def save_experiment(folder: Path, codec: str, seed: int = 0, **separator_conf) -> Path:
    """Write an experiment folder (config.yaml and valid.loss.best.pth) of nac_se on ``codec``."""
    from espnet_codecse.task.enhancement import EmbeddingEnhancementTask

    criterion = {"name": "embedding_mse", "conf": {}, "wrapper": "fixed_order", "wrapper_conf": {"weight": 1.0}}
    args = argparse.Namespace(
        encoder="codec", encoder_conf={"codec": codec}, decoder="codec", decoder_conf={"codec": codec},
        separator="nac_se", separator_conf={**SEPARATOR, **separator_conf}, criterions=[criterion], model_conf={},
        crop_seconds=None,
    )  # fmt: skip
    torch.manual_seed(seed)
    model = EmbeddingEnhancementTask.build_model(args)
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(vars(args)))
    torch.save(model.state_dict(), folder / "valid.loss.best.pth")
    return folder


def save_causal_experiment(folder: Path, seed: int = 0) -> Path:
    """Write an experiment folder of ssl_gcrn without a teacher, as its task trains it."""
    from espnet_codecse.task.ssl_gcrn import SSLGCRNTask

    criterion = {"name": "mse_td", "conf": {}, "wrapper": "fixed_order", "wrapper_conf": {"weight": 1.0}}
    stft = {"n_fft": 512, "win_length": 400, "hop_length": 320}
    args = argparse.Namespace(
        task="ssl_gcrn", encoder_conf=stft, decoder_conf=dict(stft), codec=None, teacher_conf={}, model_conf={},
        separator_conf={"channels": [2, 2, 4, 4, 4], "num_groups": 2}, criterions=[criterion],
    )  # fmt: skip
    torch.manual_seed(seed)
    model = SSLGCRNTask.build_model(args)
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(vars(args)))
    torch.save(model.state_dict(), folder / "valid.loss.best.pth")
    return folder


def save_wav2vec2(folder, seed=0):
    """Write a small wav2vec 2.0 with random weights; return what ``load_features`` takes."""
    from transformers import Wav2Vec2Config, Wav2Vec2Model

    torch.manual_seed(seed)
    config = Wav2Vec2Config(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, conv_dim=(8,) * 7,
        num_conv_pos_embeddings=4, num_conv_pos_embedding_groups=2, num_feat_extract_layers=7,
    )  # fmt: skip
    Wav2Vec2Model(config).save_pretrained(folder)
    return f"transformers:{folder}"
