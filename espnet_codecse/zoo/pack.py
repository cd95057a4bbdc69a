"""Write a pack: a trained model as a zip in espnet_model_zoo's layout, with everything that is needed to run it."""

import io
import re
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from espnet_codecse import __version__
from espnet_codecse.codec.resolve import public_name
from espnet_codecse.errors import UserError
from espnet_codecse.fileio import atomic_path
from espnet_codecse.task.configuration import num_speakers
from espnet_codecse.task.model_types import EMBEDDING, MODEL_TYPES, codec_of, model_type_name
from espnet_codecse.zoo.card import model_card
from espnet_codecse.zoo.find import ModelFiles
from espnet_codecse.zoo.manifest import FORMAT, MANIFEST, META, dump_yaml

# Keys of a training's configuration that name local files or hosts.
HOST_KEYS = (
    "config", "output_dir", "train_shape_file", "valid_shape_file", "train_data_path_and_name_and_type",
    "valid_data_path_and_name_and_type", "init_param", "noise_scp", "rir_scp", "utt2spk", "pretrain_path",
    "embedding_stats", "wandb_project", "wandb_id", "wandb_entity", "wandb_name", "dist_init_method",
    "dist_master_addr", "dist_master_port",
)  # fmt: skip

# Options of a model on embeddings that concern only its training. Stock ESPnet, which can also run packs, does not know
# the first two and interprets the third differently.
TRAINING_KEYS = ("separator_dtype", "compile_separator", "normalize_variance")

CODEC_FOLDER = "packed_codec"


@dataclass(frozen=True)
class PackOptions:
    """Options of a pack.

    Attributes:
        name: name of the model; default: that of the file.
        codec: folder of the codec, if it has moved since training.
        codec_limit_mb: larger codecs are only named, not included.
        layer: layer to decode: ``continuous`` or ``quantized``; empty: the model's first.
        weights: ``float32``, or ``float16``, which halves the size; one-dimensional weights stay float32.
        license: licence, such as ``apache-2.0``.
        datasets: names of the training data.
        figures: ``(label, scoring folder)``.
        documents: further files, such as RESULTS.md.
        card: the author's README.md.
    """

    name: str = ""
    codec: str | None = None
    codec_limit_mb: float = 20.0
    layer: str = ""
    weights: str = "float32"
    license: str = ""
    datasets: Sequence[str] = ()
    figures: Sequence[tuple[str, Path]] = ()
    documents: Sequence[Path] = ()
    card: Path | None = None


def pack_model(files: ModelFiles, output: Path, options: PackOptions) -> list[str]:
    """Write the pack of a trained model; it gets its final name ``output`` only after verification.

    The same model and options produce identical files.

    Returns:
        Lines about what was verified.

    Raises:
        UserError: the model cannot be loaded, a document is missing, or ``output`` does not end in .zip.
    """
    from espnet_codecse.task.loading import load_trained_model
    from espnet_codecse.zoo.verify import verify_pack

    output = Path(output)
    if output.suffix != ".zip":
        raise UserError(f"--output {output}: must end in .zip, by which espnet_model_zoo recognises a pack")
    model, training = load_trained_model(
        files.train_config, files.model_file, codec=options.codec or files.codec, configuration=files.configuration
    )
    config = vars(training)
    kind = model_type_name(config)
    codec = _codec(config)
    folder = _archive_folder(files)
    carried = _codec_members(codec.name, options.codec_limit_mb) if codec else {}
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "name": options.name or output.stem,
        "package": {"name": "espnet_codecse", "version": __version__},
        **({"separator": config["separator"]} if kind == EMBEDDING else {"task": kind}),
        "num_spk": num_speakers(files.configuration),
        "num_parameters": sum(parameter.numel() for parameter in model.parameters()),
        "codec": codec and {**codec.description(), "name": public_name(codec.name), "weights": _parent(carried)},
        "layer": options.layer or MODEL_TYPES[kind].layers[0],
        "license": options.license,
        "datasets": list(options.datasets),
        "figures": {label: _means(path) for label, path in options.figures},
    }
    config = portable_config(config, manifest["codec"])
    train_config, model_file = f"{folder}/config.yaml", f"{folder}/{files.model_file.name}"
    members = {
        train_config: dump_yaml(config),
        model_file: _weights(model.state_dict(), options.weights),
        **carried,
        META: dump_yaml(_meta(train_config, model_file, files.model_file)),
        "README.md": model_card(manifest, config, _read(options.card) if options.card else "").encode("utf-8"),
    }
    for document in options.documents:
        if document.name in members or PurePosixPath(document.name).name in (META, MANIFEST):
            raise UserError(f"{document}: the pack already has a file of this name; rename it")
        text = document.suffix in (".md", ".txt", ".yaml", ".json")
        members[document.name] = _read(document).encode("utf-8") if text else _read_bytes(document)
    with atomic_path(output) as temporary:
        write_zip(temporary, manifest, members)
        return verify_pack(temporary, label=str(output), codec=options.codec)


def write_zip(path: Path, manifest: dict[str, Any], members: dict[str, bytes]) -> None:
    """Write ``members`` and ``codecse.yaml``, which lists them, with fixed timestamps and in a fixed order."""
    import hashlib

    listed = {
        name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in sorted(members.items())
    }
    members = {**members, MANIFEST: dump_yaml({**manifest, "files": listed})}
    # The codec's folder must be a member, because espnet_model_zoo replaces each value of a configuration that equals a
    # member by its unpacked path. Other folders must not be members, or values such as 'exp' would be replaced too.
    weights = manifest["codec"] and manifest["codec"]["weights"]
    folders = {f"{weights}/"} if weights else set()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in [META, *sorted((set(members) | folders) - {META})]:
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = (0o40755 << 16 | 0x10) if name.endswith("/") else 0o100644 << 16
            archive.writestr(info, b"" if name.endswith("/") else members[name])


def portable_config(config: dict[str, Any], codec: dict[str, Any] | None) -> dict[str, Any]:
    """Return a training's configuration without local paths, and with the codec named as in the pack."""
    result: dict[str, Any] = {}
    for key, value in config.items():
        if key in HOST_KEYS:
            value = [] if isinstance(value, (list, tuple)) else None
        result[key] = _without_paths(value)
    if model_type_name(config) == EMBEDDING and result.get("model_conf"):
        result["model_conf"] = {key: value for key, value in result["model_conf"].items() if key not in TRAINING_KEYS}
    if codec is None:
        return {**result, "codec": None} if "codec" in result else result
    pairs = [(config, result)]
    pairs += [(config[part], result[part]) for part in ("encoder_conf", "decoder_conf") if config.get(part)]
    for before, after in pairs:
        if before.get("codec"):
            after["codec"] = codec["weights"] or codec["name"]
    if model_type_name(config) == EMBEDDING:
        result["encoder_conf"]["fingerprint"] = codec["fingerprint"]
    return result


def _codec(config: dict[str, Any]) -> Any:
    """Return the codec that a training's configuration names, or None."""
    from espnet_codecse.codec import load_codec

    name = codec_of(config)
    return load_codec(name) if name else None


def _without_paths(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_paths(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_paths(item) for item in value]
    return None if isinstance(value, str) and value.startswith(("/", "~", "./", "../")) else value


def _archive_folder(files: ModelFiles) -> str:
    """Return ``exp/`` and the part of the path after its last ``exp``, else ``exp/<experiment>/<step>``."""
    parts = files.train_config.resolve().parent.parts
    if "exp" in parts:
        parts = parts[len(parts) - parts[::-1].index("exp") :]
    else:
        parts = parts[-2:] if re.match(r"\d+_", parts[-1]) else parts[-1:]
    return "/".join(["exp", *(re.sub(r"[^\w.+-]", "_", part) for part in parts if part not in ("/", ".."))])


def _codec_members(name: str, limit_mb: float) -> dict[str, bytes]:
    from espnet_codecse.zoo.codec_files import codec_files

    found = codec_files(name) if limit_mb > 0 else None
    if not found or sum(map(len, found.values())) > limit_mb * 1e6:
        return {}
    label = re.sub(r"[^\w.+-]", "_", public_name(name))
    # The folder must not be called 'codec': espnet_model_zoo would also replace the encoder's name 'codec'.
    return {f"{CODEC_FOLDER}/{label}/{file}": content for file, content in found.items()}


def _parent(members: dict[str, bytes]) -> str | None:
    return str(PurePosixPath(next(iter(members))).parent) if members else None


def _weights(state: dict[str, Any], dtype: str) -> bytes:
    """Return a checkpoint with the model's weights only, without the state of its training."""
    import torch

    def kept(tensor: torch.Tensor) -> torch.Tensor:
        matrix = tensor.is_floating_point() and tensor.dim() > 1
        return tensor.detach().to(getattr(torch, dtype) if matrix else tensor.dtype).contiguous().clone()

    stream = io.BytesIO()
    torch.save({key: kept(tensor) for key, tensor in state.items()}, stream)
    return stream.getvalue()


def _meta(train_config: str, model_file: str, source: Path) -> dict[str, Any]:
    import importlib.metadata

    import torch

    return {
        "files": {"model_file": model_file},
        "yaml_files": {"train_config": train_config},
        "timestamp": float(
            int(source.stat().st_mtime)
        ),  # time of the weights, so that packing again produces the same file
        "python": sys.version,
        "torch": str(torch.__version__),
        "espnet": importlib.metadata.version("espnet"),
    }


def _means(folder: Path) -> dict[str, float]:
    import numpy as np

    from espnet_codecse.report.scores import read_scores

    scores = read_scores(folder)
    return {metric: round(float(np.nanmean(list(column.values()))), 4) for metric, column in scores.items()}


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check the path") from None


def _read(path: Path) -> str:
    """Return the text of a document without local paths."""
    try:
        text = _read_bytes(path).decode("utf-8")
    except UnicodeDecodeError:
        raise UserError(f"{path}: not UTF-8 text; convert it") from None
    return text.replace(f"{Path.cwd()}/", "").replace(f"{Path.home()}/", "~/")
