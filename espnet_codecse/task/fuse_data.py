"""What the trainings of ``fuse`` and ``sgmse`` read: waveforms, or stored latents and features."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from espnet_codecse.embedding.description import EmbeddingDescription, check_codec, read_description
from espnet_codecse.errors import UserError
from espnet_codecse.task.training import Pair, check_size, data_entry


def training_data(configuration: dict[str, Any], data_dirs: Pair, folders: Mapping[str, Pair]) -> list[str]:
    """Return ESPnet's data options; see :func:`espnet_codecse.task.training.training_options`.

    Args:
        configuration: of the training.
        data_dirs: formatted data directories.
        folders: ``latents``, written by ``codecse extract_latents --vae``, and ``guidance``, written by it with
            ``--guidance``; for guidance by a codec, ``embeddings`` of that codec do as well. What is absent is computed
            on the fly. Only the second step reads them.

    Raises:
        UserError: a file is missing, the sets are empty, or what is stored is another model's.
    """
    second = configuration.get("task") == "fuse"
    guidance = configuration.get("guidance_conf") or {}
    stored = dict(folders) if second else {}
    kind = guidance.get("kind", "none") if second else "none"
    if kind == "codec" and "guidance" not in stored and "embeddings" in stored:
        stored["guidance"] = stored["embeddings"]
    if kind == "none":
        stored.pop("guidance", None)
    if not configuration.get("use_vae", True):
        stored.pop("latents", None)
    options: list[str] = []
    hops: dict[str, int] = {}
    for index, (mode, data_dir) in enumerate(zip(("train", "valid"), data_dirs)):
        entries = []
        needs_speech = "latents" not in stored or (kind != "none" and "guidance" not in stored)
        if "latents" in stored:
            folder = stored["latents"][index]
            for stream in ("mix", "ref1"):
                entries.append(data_entry(folder / f"emb_{stream}.scp", f"latent_{stream}", "kaldi_ark"))
                hops[f"latent_{stream}"] = read_description(folder).hop
        if needs_speech:
            entries.append(data_entry(data_dir / "wav.scp", "speech_mix", "sound"))
            if "latents" not in stored:
                entries.append(data_entry(data_dir / "spk1.scp", "speech_ref1", "sound"))
        if "guidance" in stored:
            folder = stored["guidance"][index]
            hops["guidance"] = _check_features(folder, kind, configuration).hop
            entries.append(data_entry(folder / "emb_mix.scp", "guidance", "kaldi_ark"))
        check_size(mode, data_dir, str(data_dir / "wav.scp"), configuration.get("batch_size", 1))
        for entry in entries:
            options += [f"--{mode}_data_path_and_name_and_type", entry]
        options += [f"--{mode}_shape_file", str(data_dir / "utt2num_samples")]
    if "latents" in stored:
        prints = {read_description(folder).fingerprint for folder in stored["latents"]}
        if len(prints) > 1:
            raise UserError(f"{stored['latents'][1]}: of another VAE than {stored['latents'][0]}; extract them again")
        options += ["--latents_fingerprint", prints.pop()]
    for name, hop in hops.items():
        options += ["--stored_hops", f"{name}={hop}"]
    return options


def _check_features(folder: Path, kind: str, configuration: dict[str, Any]) -> EmbeddingDescription:
    """Return what is stored in ``folder`` after comparing it with the features of the configuration."""
    from espnet_codecse.features import load_features

    model = configuration.get("codec") if kind == "codec" else configuration["guidance_conf"].get("model")
    description = check_codec(folder, load_features(f"{kind}:{model}"))
    if description.layer != "continuous":
        raise UserError(f"{folder}: holds the layer '{description.layer}'; guidance is continuous, extract it again")
    return description
