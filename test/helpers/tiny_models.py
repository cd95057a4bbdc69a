"""Small randomly initialised enhancement models, as a training leaves them."""

import argparse
from pathlib import Path

import torch
import yaml

SEPARATOR = {"width": 16, "num_layers": 1, "num_heads": 2, "ffn_width": 16, "normalize": "utterance"}


def save_experiment(
    folder: Path,
    codec: str,
    seed: int = 0,
    separator: str = "nac_se",
    criterion: str = "embedding_mse",
    **separator_conf,
) -> Path:
    """Write an experiment folder (config.yaml and valid.loss.best.pth) of a separator on ``codec``."""
    from espnet_codecse.task.enhancement import EmbeddingEnhancementTask

    loss = {"name": criterion, "conf": {}, "wrapper": "fixed_order", "wrapper_conf": {"weight": 1.0}}
    args = argparse.Namespace(
        encoder="codec", encoder_conf={"codec": codec}, decoder="codec", decoder_conf={"codec": codec},
        separator=separator, separator_conf={**(SEPARATOR if separator == "nac_se" else {}), **separator_conf},
        criterions=[loss], model_conf={}, crop_seconds=None,
    )  # fmt: skip
    return _build_and_save(EmbeddingEnhancementTask, args, folder, seed)


def save_encoder_experiment(folder: Path, codec: str, seed: int = 0) -> Path:
    """Write an experiment folder of a denoising encoder of ``codec``; its weights are off those of the codec."""
    from espnet_codecse.task.enhancement import EmbeddingEnhancementTask

    criterion = {"name": "embedding_mse", "conf": {}, "wrapper": "fixed_order", "wrapper_conf": {"weight": 1.0}}
    args = argparse.Namespace(
        encoder="denoising_codec", encoder_conf={"codec": codec}, decoder="codec", decoder_conf={"codec": codec},
        separator="identity", separator_conf={}, criterions=[criterion], model_conf={}, crop_seconds=None,
    )  # fmt: skip
    return _build_and_save(EmbeddingEnhancementTask, args, folder, seed, spread=0.1)


def save_causal_experiment(
    folder: Path, seed: int = 0, beats: str | None = None, distilled_from: str | None = None
) -> Path:
    """Write an experiment folder of ssl_gcrn, as its task trains it: without a teacher, or given a BEATs' features.

    ``distilled_from``: a codec whose embedding the network learned to predict.
    """
    from espnet_codecse.task.causal import CausalTask

    criterion = {"name": "mse_td", "conf": {}, "wrapper": "fixed_order", "wrapper_conf": {"weight": 1.0}}
    stft = {"n_fft": 512, "win_length": 400, "hop_length": 320}
    args = argparse.Namespace(
        task="causal", separator="gcrn", encoder_conf=stft, decoder_conf=dict(stft), codec=None, teacher_conf={},
        model_conf={},
        separator_conf={"channels": [2, 2, 4, 4, 4], "num_groups": 2}, criterions=[criterion],
    )  # fmt: skip
    if beats is not None:
        args.teacher_conf = {"kind": "beats", "model": beats.removeprefix("beats:")}
        args.model_conf, args.separator_conf["condition"] = {"given": "noisy"}, "teacher"
    if distilled_from is not None:
        args.codec, args.teacher_conf, args.model_conf = distilled_from, {"kind": "codec"}, {"target": "clean"}
    return _build_and_save(CausalTask, args, folder, seed)


def _build_and_save(task, args: argparse.Namespace, folder: Path, seed: int, spread: float = 0.0) -> Path:
    torch.manual_seed(seed)
    model = task.build_model(args)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1 + spread * torch.randn_like(parameter))
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(vars(args)))
    torch.save(model.state_dict(), folder / "valid.loss.best.pth")
    return folder
