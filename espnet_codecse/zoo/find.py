"""Find the files of the model that ``--model NAME`` names."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from espnet_codecse.checkpoint import check_archive
from espnet_codecse.codec.resolve import PRETRAINED
from espnet_codecse.errors import UserError, did_you_mean
from espnet_codecse.task.configuration import check_parts, read_training
from espnet_codecse.task.model_types import EMBEDDING
from espnet_codecse.task.old_names import with_current_names
from espnet_codecse.zoo.catalogue import carried
from espnet_codecse.zoo.manifest import META, model_type_of_pack, read_manifest, read_meta, read_yaml

# In order of preference.
CHECKPOINTS = ("valid.loss.best.pth", "*.best.pth", "*.ave*.pth")


@dataclass(frozen=True)
class ModelFiles:
    """The files of a model.

    Attributes:
        folder: folder of the unpacked pack or of the experiment.
        train_config: the training's ``config.yaml``.
        model_file: the weights.
        configuration: content of ``train_config``.
        manifest: manifest of the pack; None: not a pack.
        codec: folder of the codec's weights in the pack; None: use the codec that the configuration names.
        layer: layer that the model's author decodes; None: the model's first.
    """

    folder: Path
    train_config: Path
    model_file: Path
    configuration: Mapping[str, Any]
    manifest: Mapping[str, Any] | None = None
    codec: str | None = None
    layer: str | None = None

    @classmethod
    def of_training(cls, train_config: Path | str, model_file: Path | str) -> "ModelFiles":
        """Return the files of a training.

        Raises:
            UserError: ``train_config`` is not the configuration of a training.
        """
        train_config = Path(train_config)
        return cls(train_config.parent, train_config, Path(model_file), read_training(train_config))


def find_model(name: str) -> ModelFiles:
    """Find a model; zips are unpacked into the cache, and models of a hub are downloaded.

    Args:
        name: a model of the package (``nac_se``), a zip written by ``codecse pack``, its unpacked folder, an
            experiment folder of ``enh.sh``, or a model-zoo tag / Hugging Face id, also ``id@revision``.

    Raises:
        UserError: the model does not exist or is refused; the message says where it was searched for.
    """
    name = str(name)
    own = PRETRAINED / name
    if name and "/" not in name and (own / META).is_file():
        return open_pack(own, name)
    path = Path(name).expanduser()
    if path.is_dir():
        return open_pack(path, name) if (path / META).is_file() else _experiment(path)
    if path.is_file():
        if path.suffix != ".zip":
            raise UserError(f"--model {name}: not a zip; pass a zip written by 'codecse pack', or a folder")
        from espnet_codecse.zoo.archive import unpack

        return open_pack(unpack(path), name)
    identifier = name.split("@", 1)[0]
    if identifier.count("/") != 1 or name.startswith((".", "/", "~")) or identifier.endswith(".zip"):
        known = [entry.name for entry in carried()]
        raise UserError(
            f"--model {name}: no such folder or zip{did_you_mean(name, known)}; models that come with the package: "
            f"{', '.join(known) or 'none'}"
        )
    from espnet_codecse.zoo.hub import download

    return open_pack(download(name), name)


def open_pack(folder: Path, name: str) -> ModelFiles:
    """Return the files of an unpacked pack.

    Args:
        folder: folder with ``meta.yaml`` and ``codecse.yaml``.
        name: name of the pack in messages.

    Raises:
        UserError: a file is missing or not plain, or the parts name different codecs.
    """
    paths = read_meta(folder, name)
    manifest = read_manifest(folder, name)
    for path in paths.values():
        if path not in manifest["files"] or not (folder / path).is_file():
            raise UserError(f"{name}: '{path}' is named but missing; copy or download it again")
    config = read_yaml(folder / paths["train_config"], name)
    _check_config(config, manifest, name)
    weights = (manifest["codec"] or {}).get("weights")
    for path in manifest["files"]:
        if path.endswith(".yaml"):
            read_yaml(folder / path, name)
        elif path.endswith(".pth"):
            # Whether its content is whole, the hashes tell.
            check_archive(folder / path, f"{name}: '{PurePosixPath(path).name}'", checksums=False)
    return ModelFiles(
        folder=folder,
        train_config=folder / paths["train_config"],
        model_file=folder / paths["model_file"],
        configuration=with_current_names(config),
        manifest=manifest,
        codec=None if weights is None else str(folder / weights),
        layer=manifest["layer"],
    )


@contextmanager
def called(files: ModelFiles, name: str) -> Iterator[None]:
    """In error messages, replace the model's folder, which may be in the cache, by the name that the user gave."""
    try:
        yield
    except UserError as error:
        raise UserError(str(error).replace(f"{files.folder}/", f"{name}: ")) from None


def _check_config(config: dict, manifest: dict, name: str) -> None:
    kind = model_type_of_pack(config, name)
    if kind != model_type_of_pack(manifest, name):
        raise UserError(f"{name}: the configuration is for '{kind}', but the pack is not; refused")
    if kind == EMBEDDING:
        encoder = config.get("encoder_conf")
        fingerprint = encoder.get("fingerprint") if isinstance(encoder, dict) else None
        expected = (manifest["codec"] or {}).get("fingerprint")
        if fingerprint != expected or not expected:
            raise UserError(
                f"{name}: the model was trained with the codec {fingerprint}, but the pack is for {expected}; refused"
            )
    check_parts(config, kind, name)
    if config.get("separator") == "asteroid":
        # ESPnet's wrapper downloads what its configuration names, and can access any attribute of a module.
        raise UserError(f"{name}: separator 'asteroid' loads code by name; refused")


def _experiment(folder: Path) -> ModelFiles:
    """Return the files of an experiment folder, or of its last step if it has steps."""
    steps = sorted(path.parent for path in folder.glob("[0-9]*_*/config.yaml"))
    step = folder if (folder / "config.yaml").is_file() or not steps else steps[-1]
    if not (step / "config.yaml").is_file():
        kinds = f"neither an unpacked pack ({META}) nor an experiment (config.yaml)"
        raise UserError(f"{folder}: {kinds}; check the path")
    epochs = sorted(step.glob("[0-9]*epoch.pth"), key=lambda path: int(path.name.split("epoch")[0]), reverse=True)
    found = [path for pattern in CHECKPOINTS for path in sorted(step.glob(pattern)) if path.is_file()] + epochs
    if not found:
        raise UserError(f"{step}: no weights (*.best.pth, *epoch.pth) beside config.yaml; train the step first")
    return ModelFiles.of_training(step / "config.yaml", found[0])
