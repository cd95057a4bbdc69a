"""From ``--model NAME`` to the files of a model."""

import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from espnet_codecse.codec.resolve import PRETRAINED
from espnet_codecse.errors import UserError
from espnet_codecse.task.configuration import read_training
from espnet_codecse.task.model_types import EMBEDDING
from espnet_codecse.task.old_names import with_current_names
from espnet_codecse.zoo.manifest import META, model_type_of_pack, read_manifest, read_meta, read_yaml

# In the order in which they are taken.
CHECKPOINTS = ("valid.loss.best.pth", "*.best.pth", "*.ave*.pth")


@dataclass(frozen=True)
class ModelFiles:
    """Where a model lies.

    Attributes:
        folder: of the unpacked pack or the experiment.
        train_config: the training's ``config.yaml``.
        model_file: the weights.
        configuration: what ``train_config`` holds.
        manifest: what a pack says of itself; None: no pack.
        codec: folder of the codec's weights that the pack carries; None: the codec that the configuration names.
        layer: what the model's author decodes; None: what it gives first.
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
            UserError: ``train_config`` is no training's configuration.
        """
        train_config = Path(train_config)
        return cls(train_config.parent, train_config, Path(model_file), read_training(train_config))


def find_model(name: str) -> ModelFiles:
    """Find a model; a zip is unpacked into the cache, a hub's model downloaded.

    Args:
        name: a model that the package carries (``nac_se``), a zip of ``codecse pack``, the folder of an unpacked
            one, an experiment folder of ``enh.sh``, or a model-zoo tag / Hugging Face id, also ``id@revision``.

    Raises:
        UserError: no such model, or one that is refused; the message says where it was looked for.
    """
    name = str(name)
    carried = PRETRAINED / name
    if name and "/" not in name and (carried / META).is_file():
        return open_pack(carried, name)
    path = Path(name).expanduser()
    if path.is_dir():
        return open_pack(path, name) if (path / META).is_file() else _experiment(path)
    if path.is_file():
        if path.suffix != ".zip":
            raise UserError(f"--model {name}: a model's file must be a zip of 'codecse pack'; or pass its folder")
        from espnet_codecse.zoo.archive import unpack

        return open_pack(unpack(path), name)
    identifier = name.split("@", 1)[0]
    if identifier.count("/") != 1 or name.startswith((".", "/", "~")) or identifier.endswith(".zip"):
        known = ", ".join(sorted(folder.parent.name for folder in PRETRAINED.glob(f"*/{META}"))) or "none"
        raise UserError(f"--model {name}: no such folder or zip; models that come with the package: {known}")
    from espnet_codecse.zoo.hub import download

    return open_pack(download(name), name)


def open_pack(folder: Path, name: str) -> ModelFiles:
    """Return the files of an unpacked pack.

    Args:
        folder: holds ``meta.yaml`` and ``codecse.yaml``.
        name: of the pack, for messages.

    Raises:
        UserError: a file is missing or not plain, or the parts do not name the same codec.
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
            _check_checkpoint(folder / path, name)
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
    """Make messages on files of a model name the model as the user does, not the cache folder where it lies."""
    try:
        yield
    except UserError as error:
        raise UserError(str(error).replace(f"{files.folder}/", f"{name}: ")) from None


def _check_config(config: dict, manifest: dict, name: str) -> None:
    kind = model_type_of_pack(config, name)
    if kind != model_type_of_pack(manifest, name):
        raise UserError(f"{name}: the configuration is one of '{kind}', the pack is not; refused")
    if kind == EMBEDDING:
        encoder = config.get("encoder_conf")
        fingerprint = encoder.get("fingerprint") if isinstance(encoder, dict) else None
        expected = (manifest["codec"] or {}).get("fingerprint")
        if fingerprint != expected or not expected:
            raise UserError(
                f"{name}: the model was trained with the codec {fingerprint}, but the pack is for {expected}; refused"
            )
    if config.get("separator") == "asteroid":
        # ESPnet's wrapper fetches what its configuration names and takes any attribute of a module.
        raise UserError(f"{name}: separator 'asteroid' loads code by name; refused")


def _check_checkpoint(path: Path, name: str) -> None:
    """Refuse a checkpoint that unfolds while it is loaded: PyTorch's are zips whose members are stored plainly."""
    if not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as content:
            total = sum(member.file_size for member in content.infolist())
    except zipfile.BadZipFile:
        return  # loading tells what is wrong with it
    if total > path.stat().st_size:
        raise UserError(f"{name}: '{path.name}' is compressed inside, which PyTorch's own files are not; refused")


def _experiment(folder: Path) -> ModelFiles:
    """Return the files of an experiment folder: of its last step, where it holds steps."""
    steps = sorted(path.parent for path in folder.glob("[0-9]*_*/config.yaml"))
    step = folder if (folder / "config.yaml").is_file() or not steps else steps[-1]
    if not (step / "config.yaml").is_file():
        kinds = f"neither an unpacked pack ({META}) nor an experiment (config.yaml)"
        raise UserError(f"{folder}: {kinds}; wrong folder?")
    epochs = sorted(step.glob("[0-9]*epoch.pth"), key=lambda path: int(path.name.split("epoch")[0]), reverse=True)
    found = [path for pattern in CHECKPOINTS for path in sorted(step.glob(pattern)) if path.is_file()] + epochs
    if not found:
        raise UserError(f"{step}: no weights (*.best.pth, *epoch.pth) beside config.yaml; was the training run?")
    return ModelFiles.of_training(step / "config.yaml", found[0])
