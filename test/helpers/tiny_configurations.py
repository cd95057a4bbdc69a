"""Every configuration that the template and the recipes offer, at a size for tests, and a batch for each."""

import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
import yaml

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "egs2/TEMPLATE/enh1/conf"
# What a size is called in the configurations; lists keep their length, as it decides how far a network reduces.
MOST = {
    "width": 16, "num_layers": 1, "num_heads": 2, "ffn_width": 16, "num_conv_blocks": 1, "num_blocks": 1,
    "num_planes": 8, "hidden_size": 8, "num_low_channels": 16, "num_dual_path_blocks": 1, "layers_per_block": 1,
    "norm_groups": 4, "head_channels": 4, "latent_channels": 4, "map_channels": 2, "filters": 2, "nf": 4,
    "num_res_blocks": 1, "num_quantizers": 2, "encoder_hidden_size": 4, "decoder_hidden_size": 16, "n_codebooks": 3,
    "codebook_size": 16, "codebook_dim": 4, "matched_steps": 2, "window_frames": 64, "train_frames": 64,
    "predicted_codebooks": 2, "layer": 2, "stack": 1, "bottleneck_dim": 8, "hidden_dim": 8, "channel": 8,
}  # fmt: skip
LISTS = {"blocks": 1, "ch_mult": 2}
ANY_LISTS = {"n_ffts": [256, 64], "mel_windows": [256], "mel_bins": [20], "kernel_size": [3, 3]}


def combinations() -> Iterator[tuple[str, Path, str, str, dict[str, Any]]]:
    """Yield ``(name, conf folder of a recipe, system, step, choice)`` of everything that can be chosen.

    A choice holds arguments of ``build_configuration``: ``size``, ``loss`` or ``variants``.
    """
    for recipe in [TEMPLATE, *sorted(ROOT.glob("egs2/[a-z]*/enh1/conf"))]:
        for system in sorted(path.name for path in recipe.iterdir() if path.is_dir()):
            steps = sorted(path.stem for path in (TEMPLATE / system).glob("[0-9]_*.yaml"))
            choices: dict[str, dict[str, Any]] = {"": {}}
            for kind in ("size", "loss", "variant"):
                for path in sorted((recipe / system / kind).glob("*.yaml")):
                    value = [path.stem] if kind == "variant" else path.stem
                    choices[f"/{kind}/{path.stem}"] = {"variants" if kind == "variant" else kind: value}
            for step in steps:
                for name, choice in choices.items():
                    yield f"{recipe.parents[1].name}/{system}/{step}{name}", recipe, system, step, choice


def tiny_configurations(codec: str, learned: str, beats: str, wav2vec2: str) -> dict[str, dict[str, Any]]:
    """Return ``{name: configuration}`` of all :func:`combinations`; of equal ones, only the first.

    Args:
        codec: folder of a tiny codec.
        learned: folder of one whose encoder has weights, for systems that train it.
        beats, wav2vec2: file and folder of tiny networks.
    """
    from espnet_codecse.task.configuration import build_configuration

    found: dict[str, dict[str, Any]] = {}
    seen = set()
    for name, recipe, system, step, choice in combinations():
        given = {"size": None, "loss": None, **choice}
        configuration = _tiny(build_configuration(TEMPLATE, recipe, system, step, codec, **given))
        if configuration.get("encoder") == "denoising_codec":
            configuration["encoder_conf"]["codec"] = configuration["decoder_conf"]["codec"] = learned
        for key in ("guidance_conf", "teacher_conf"):
            models = {"beats": beats, "transformers": wav2vec2}
            conf = configuration.get(key) or {}
            if conf.get("kind") in models:
                conf["model"] = models[conf["kind"]]
        # It trains nothing of its own, and its networks take windows of nine seconds.
        if "criterions" in configuration:
            losses = configuration["criterions"]
            configuration["criterions"] = [loss for loss in losses if loss["name"] != "dnsmos"] or losses
        # Statistics of stored embeddings would be needed.
        if isinstance(configuration.get("separator_conf"), dict) and "normalize" in configuration["separator_conf"]:
            configuration["separator_conf"]["normalize"] = "utterance"
        ignored = _OF_THE_TRAINING + (_OF_THE_DIFFUSION if configuration.get("task") == "fuse_vae" else ())
        parts = {key: value for key, value in configuration.items() if key not in ignored}
        text = json.dumps(parts, sort_keys=True)
        if text not in seen:
            seen.add(text)
            found[name] = configuration
    return found


_OF_THE_TRAINING = (
    "optim", "optim_conf", "optim2", "optim2_conf", "scheduler", "scheduler_conf", "scheduler2", "scheduler2_conf",
    "batch_size", "valid_batch_size", "num_workers", "num_iters_per_epoch", "max_epoch", "grad_clip", "crop_seconds",
)  # fmt: skip


_OF_THE_DIFFUSION = ("denoiser", "denoiser_conf", "diffusion_conf", "guidance_conf", "objective_conf", "use_vae")


def _tiny(value: Any, key: str = "") -> Any:
    if isinstance(value, Mapping):
        return {name: _tiny(item, name) for name, item in value.items()}
    if key in ANY_LISTS and isinstance(value, list):
        return ANY_LISTS[key]
    if key == "channels":
        return [8] * len(value)
    if key in LISTS:
        return [min(item, LISTS[key]) for item in value]
    if isinstance(value, list):
        return [_tiny(item) for item in value]
    if key in MOST and isinstance(value, int) and not isinstance(value, bool):
        return min(value, MOST[key])
    return value


def random_batch(configuration: Mapping[str, Any], model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Return a batch of two recordings as the data of the configuration's type look."""
    kind = configuration.get("task") or "embedding"
    if kind == "dual_branch":
        from tiny_dual_branch import tiny_batch

        return tiny_batch(num_samples=2000, supervised=configuration["model_conf"]["supervised"])
    num_samples = 4000
    if kind in ("fuse", "fuse_vae"):
        num_samples = model.spectrogram.num_samples(configuration["window_frames"])
    if kind == "sgmse":
        num_samples = (configuration["window_frames"] - 1) * configuration["encoder_conf"]["hop_length"]
    num_spk = (configuration.get("separator_conf") or {}).get("num_spk", 1)
    references = [0.1 * torch.randn(2, num_samples) for _ in range(num_spk)]
    batch = {f"speech_ref{index + 1}": reference for index, reference in enumerate(references)}
    batch["speech_mix"] = torch.stack(references).sum(0) + 0.03 * torch.randn(2, num_samples)
    batch.update({f"{name}_lengths": torch.tensor([num_samples, num_samples]) for name in batch})
    if kind in ("fuse", "fuse_vae"):
        batch["peak"] = batch["speech_mix"].abs().amax(1, keepdim=True)
    return batch


def build(configuration: dict[str, Any]) -> tuple[Any, Any, torch.nn.Module]:
    """Return task, options and model in training mode."""
    from espnet_codecse.task.model_types import model_type_of

    torch.manual_seed(0)
    task = model_type_of(configuration).load("task")
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "train.yaml"
        config.write_text(yaml.safe_dump(configuration))
        args = task.get_parser().parse_args(["--config", str(config), "--output_dir", folder])
    model = task.build_model(args).train()
    if getattr(args, "task", None) == "fuse":
        model.vae.num_batches.fill_(1)  # as after the first step
    return task, args, model
