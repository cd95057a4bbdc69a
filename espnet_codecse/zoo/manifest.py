"""The manifest of a pack: ``meta.yaml`` in espnet_model_zoo's format, and ``codecse.yaml`` beside it.

``codecse.yaml`` holds the identity of the codec, the layer, versions, licence, data sets, figures, and size and
SHA-256 of every other file. Both are read as untrusted text: tags, aliases and large files are refused.
"""

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from espnet_codecse.documents import parse_yaml
from espnet_codecse.errors import UserError
from espnet_codecse.fileio import sha256_of
from espnet_codecse.task.model_types import EMBEDDING, LAYERS, model_type_name

META, MANIFEST, FORMAT = "meta.yaml", "codecse.yaml", "codecse_pack_1"
MAX_YAML_BYTES = 1_000_000
MAX_FILES = 200
# Kinds of files in a pack: weights, configurations, text and figures. None of them contains code.
SUFFIXES = (".yaml", ".pth", ".safetensors", ".json", ".md", ".txt", ".png")


class PlainDumper(yaml.SafeDumper):
    """Writes YAML for :func:`read_yaml`: repeated values are written out, without aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        """Return True, which disables aliases."""
        return True


def dump_yaml(document: dict[str, Any]) -> bytes:
    """Return the document as YAML text, with its keys in the given order."""
    text = yaml.dump(document, Dumper=PlainDumper, sort_keys=False, allow_unicode=True, width=120)
    return text.encode("utf-8")


def read_yaml(path: Path, pack: str) -> dict[str, Any]:
    """Read a mapping from ``path`` of the pack called ``pack``.

    Raises:
        UserError: the file is missing, too large, has tags or aliases, or is not a mapping.
    """
    label = f"{pack}: {path.name}"
    try:
        if path.stat().st_size > MAX_YAML_BYTES:
            raise UserError(f"{label} is larger than {MAX_YAML_BYTES // 1_000_000} MB; refused")
        document = parse_yaml(path.read_text("utf-8"), aliases=False)
    except OSError:
        raise UserError(f"{label} is missing; not a pack written by 'codecse pack'") from None
    except ValueError as error:
        raise UserError(f"{label} is not plain YAML ({error}); refused") from None
    if not isinstance(document, dict):
        raise UserError(f"{label} has no keys; not a pack written by 'codecse pack'")
    return document


def check_name(name: Any, pack: str) -> PurePosixPath:
    """Return the path of a file inside a pack.

    Raises:
        UserError: the path is absolute, leads out of the pack, or has a suffix that is not allowed.
    """
    path = PurePosixPath(name) if isinstance(name, str) and name else None
    printable = path is not None and name.isprintable() and len(name) < 300 and not re.search(r'[\\:*?"<>|]', name)
    if path is None or not printable:
        raise UserError(f"{pack}: {str(name)[:80]!r} is not a portable file name; refused")
    if path.is_absolute() or ".." in path.parts:
        raise UserError(f"{pack}: '{name}' points outside the pack; refused")
    if path.suffix not in SUFFIXES:
        raise UserError(f"{pack}: '{name}' is not a file type allowed in a pack ({' '.join(SUFFIXES)}); refused")
    return path


def read_manifest(folder: Path, pack: str) -> dict[str, Any]:
    """Read ``codecse.yaml`` of an unpacked pack and check its form.

    Raises:
        UserError: the manifest is missing, in another format, or incomplete.
    """
    manifest = read_yaml(folder / MANIFEST, pack)
    if manifest.get("format") != FORMAT:
        shown = str(manifest.get("format"))[:40]
        raise UserError(f"{pack}: {MANIFEST} has format '{shown}', not '{FORMAT}'; update the package or the pack")
    codec, files = manifest.get("codec"), manifest.get("files")
    kinds = {"name": str, "fingerprint": str, "sample_rate": int, "hop": int, "dim": int}
    # Models on waveforms need no codec.
    identified = isinstance(codec, dict) and all(isinstance(codec.get(key), kind) for key, kind in kinds.items())
    if not identified and (codec is not None or model_type_of_pack(manifest, pack) == EMBEDDING):
        raise UserError(f"{pack}: {MANIFEST} does not identify the codec ({', '.join(kinds)}); pack the model again")
    if model_type_of_pack(manifest, pack) == EMBEDDING and not isinstance(manifest.get("separator"), str):
        raise UserError(f"{pack}: {MANIFEST} names no separator; pack the model again")
    if not isinstance(manifest.get("layer"), str) or manifest["layer"] not in LAYERS:
        raise UserError(f"{pack}: {MANIFEST} names no layer ({' or '.join(LAYERS)}); pack the model again")
    if not isinstance(files, dict) or not 0 < len(files) <= MAX_FILES:
        raise UserError(f"{pack}: {MANIFEST} lists no files, or more than {MAX_FILES}; refused")
    for name, entry in files.items():
        check_name(name, pack)
        entry = entry if isinstance(entry, dict) else {}
        if not isinstance(entry.get("sha256"), str) or type(entry.get("bytes")) is not int:
            raise UserError(f"{pack}: {MANIFEST} has no size and SHA-256 of '{name}'; pack the model again")
    if codec and codec.get("weights") is not None and not any(_is_below(name, codec["weights"]) for name in files):
        raise UserError(f"{pack}: {MANIFEST} names codec weights but does not list them; pack the model again")
    return manifest


def network_name(manifest: Mapping[str, Any], configuration: Mapping[str, Any]) -> str:
    """Return what enhances: the separator, or the encoder if it is the part that was trained, or the model type."""
    if manifest.get("separator") == "identity":
        return str(configuration.get("encoder"))
    return manifest.get("separator") or manifest["task"]


def model_type_of_pack(document: dict[str, Any], pack: str) -> str:
    """Return the model type that a manifest or configuration of ``pack`` names; see ``model_type_name``."""
    try:
        return model_type_name(document)
    except UserError as error:
        raise UserError(f"{pack}: {error}; refused") from None


def _is_below(name: str, folder: Any) -> bool:
    return isinstance(folder, str) and folder != "" and PurePosixPath(name).is_relative_to(folder)


def read_meta(folder: Path, pack: str) -> dict[str, str]:
    """Return ``{"train_config": path, "model_file": path}`` from ``meta.yaml``, relative to the pack.

    Raises:
        UserError: a path is missing or points outside.
    """
    meta = read_yaml(folder / META, pack)
    found = {}
    for section, key in (("yaml_files", "train_config"), ("files", "model_file")):
        entries = meta.get(section)
        if not isinstance(entries, dict) or key not in entries:
            raise UserError(f"{pack}: {META} names no {key}; not a packed enhancement model")
        found[key] = str(check_name(entries[key], pack))
    return found


def check_files(folder: Path, manifest: Mapping[str, Any], pack: str) -> None:
    """Compare size and hash of every listed file.

    Raises:
        UserError: a file is missing or differs.
    """
    for name, entry in manifest["files"].items():
        path = folder / name
        if not path.is_file():
            raise UserError(f"{pack}: '{name}' is listed but missing; copy or download it again")
        if path.stat().st_size != entry["bytes"] or sha256_of(path) != entry["sha256"]:
            raise UserError(f"{pack}: '{name}' is not the file that was packed (SHA-256 differs); download it again")


def unlisted(names: list[str], manifest: dict[str, Any]) -> list[str]:
    """Return those of ``names`` that are neither listed in the manifest nor the manifest itself."""
    return sorted(set(names) - set(manifest["files"]) - {MANIFEST})
