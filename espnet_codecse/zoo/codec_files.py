"""The files of a codec in a pack, reduced to those that are needed to load it."""

import io
from pathlib import Path

from espnet_codecse.codec.lyra.codec import ENCODER
from espnet_codecse.codec.resolve import PRETRAINED, cache_dir
from espnet_codecse.documents import read_yaml
from espnet_codecse.zoo.manifest import dump_yaml

CARD = "README.md"


def codec_files(name: str) -> dict[str, bytes] | None:
    """Return ``{file name: content}`` of a codec in a local folder or zip.

    Returns None for codecs of a hub and Lyra V2, whose names are enough to find them again, and for codecs in a file
    format that can run code.
    """
    for folder in (PRETRAINED / f"{name}_codec", Path(name).expanduser()):
        if folder.is_dir():
            return _of_folder(folder)
        if folder.is_file():
            from espnet_codecse.codec.espnet_codec import unpack

            return _of_espnet(unpack(folder, cache_dir()))
    return None


def _of_folder(folder: Path) -> dict[str, bytes] | None:
    if (folder / "model.safetensors").is_file() and (folder / "config.yaml").is_file():
        names = ["config.yaml", "model.safetensors", CARD]
    elif (folder / "config.json").is_file():
        if not (folder / "model.safetensors").is_file():
            return None
        names = ["config.json", "model.safetensors", CARD]
    elif (folder / ENCODER).is_file():
        return None
    else:
        return _of_espnet(folder)
    return {name: (folder / name).read_bytes() for name in names if (folder / name).is_file()}


def _of_espnet(folder: Path) -> dict[str, bytes]:
    """Reduce an ESPnet-Codec experiment to the generator; the rest serves only training and is twice as large."""
    import torch

    from espnet_codecse.checkpoint import load_checkpoint
    from espnet_codecse.codec.espnet_codec import find_experiment

    config_file, model_file = find_experiment(folder)
    config = read_yaml(config_file)
    state = load_checkpoint(model_file)
    state = state.get("model", state)
    kept = {key: value.clone() for key, value in state.items() if key.startswith("codec.generator.")}
    stream = io.BytesIO()
    torch.save(kept, stream)
    reduced = {key: config[key] for key in ("codec", "codec_conf")}
    return {"config.yaml": dump_yaml(reduced), "codec.best.pth": stream.getvalue()}
