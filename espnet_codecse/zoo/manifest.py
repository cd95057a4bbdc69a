"""What a pack says of itself: ``meta.yaml`` in espnet_model_zoo's format, and ``codecse.yaml`` beside it.

``codecse.yaml`` holds the identity of the codec, the layer, versions, licence, data sets, figures, and size and
SHA-256 of every other file. Both are read as foreign text: no tags, no aliases, nothing large.
"""

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from espnet_codecse.errors import UserError
from espnet_codecse.fileio import sha256_of
from espnet_codecse.task.model_types import EMBEDDING, LAYERS, model_type_name

META, MANIFEST, FORMAT = "meta.yaml", "codecse.yaml", "codecse_pack_1"
MAX_YAML_BYTES = 1_000_000
MAX_FILES = 200
# What the parts of a pack are: weights, configurations, text and figures, none of which is run.
SUFFIXES = (".yaml", ".pth", ".safetensors", ".json", ".md", ".txt", ".png")


class _PlainLoader(yaml.SafeLoader):
    """YAML without tags, as :func:`yaml.safe_load`, and without aliases: a few of them unfold to gigabytes."""

    def compose_node(self, parent, index):
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not allowed")
        return super().compose_node(parent, index)


class PlainDumper(yaml.SafeDumper):
    """Writes what :class:`_PlainLoader` reads: a value that occurs twice is written twice."""

    def ignore_aliases(self, data: Any) -> bool:
        """Return True: no aliases."""
        return True


def dump_yaml(document: dict[str, Any]) -> bytes:
    """Return the document as YAML text, keys in the order given."""
    text = yaml.dump(document, Dumper=PlainDumper, sort_keys=False, allow_unicode=True, width=120)
    return text.encode("utf-8")


def read_yaml(path: Path, pack: str) -> dict[str, Any]:
    """Read a mapping from ``path`` of the pack called ``pack``.

    Raises:
        UserError: missing, too large, with tags or aliases, or no mapping.
    """
    label = f"{pack}: {path.name}"
    try:
        if path.stat().st_size > MAX_YAML_BYTES:
            raise UserError(f"{label} is larger than {MAX_YAML_BYTES // 1_000_000} MB; refused")
        document = yaml.load(path.read_text("utf-8"), Loader=_PlainLoader)
    except OSError:
        raise UserError(f"{label} is missing; not a pack of 'codecse pack'") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(getattr(error, "problem", None) or error).split())[:200]
        raise UserError(f"{label} is not plain YAML ({reason}); refused") from None
    if not isinstance(document, dict):
        raise UserError(f"{label} holds no keys; not a pack of 'codecse pack'")
    return document


def check_name(name: Any, pack: str) -> PurePosixPath:
    """Return the path of a file inside a pack.

    Raises:
        UserError: it is absolute, leads out of the pack, or is not of a kind that a pack holds.
    """
    path = PurePosixPath(name) if isinstance(name, str) and name else None
    printable = path is not None and name.isprintable() and len(name) < 300 and not re.search(r'[\\:*?"<>|]', name)
    if path is None or not printable:
        raise UserError(f"{pack}: {str(name)[:80]!r} is no portable file name; refused")
    if path.is_absolute() or ".." in path.parts:
        raise UserError(f"{pack}: '{name}' points outside the pack; refused")
    if path.suffix not in SUFFIXES:
        raise UserError(f"{pack}: '{name}' is not a kind of file that a pack holds ({' '.join(SUFFIXES)}); refused")
    return path


def read_manifest(folder: Path, pack: str) -> dict[str, Any]:
    """Read ``codecse.yaml`` of an unpacked pack and check its form.

    Raises:
        UserError: missing, of another format, or incomplete.
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
    if manifest.get("layer") not in LAYERS:
        raise UserError(f"{pack}: {MANIFEST} names no layer ({' or '.join(LAYERS)}); pack the model again")
    if not isinstance(files, dict) or not 0 < len(files) <= MAX_FILES:
        raise UserError(f"{pack}: {MANIFEST} lists no files, or more than {MAX_FILES}; refused")
    for name, entry in files.items():
        check_name(name, pack)
        entry = entry if isinstance(entry, dict) else {}
        if not isinstance(entry.get("sha256"), str) or type(entry.get("bytes")) is not int:
            raise UserError(f"{pack}: {MANIFEST} gives no size and SHA-256 of '{name}'; pack the model again")
    if codec and codec.get("weights") is not None and not any(_is_below(name, codec["weights"]) for name in files):
        raise UserError(f"{pack}: {MANIFEST} names codec weights that it does not list; pack the model again")
    return manifest


def model_type_of_pack(document: dict[str, Any], pack: str) -> str:
    """Return the model type that a manifest or configuration of ``pack`` names; see ``model_type_name``."""
    try:
        return model_type_name(document)
    except UserError as error:
        raise UserError(f"{pack}: {error}; refused") from None


def _is_below(name: str, folder: Any) -> bool:
    return isinstance(folder, str) and folder != "" and PurePosixPath(name).is_relative_to(folder)


def read_meta(folder: Path, pack: str) -> dict[str, str]:
    """Return ``{"train_config": path, "model_file": path}`` as ``meta.yaml`` has them, relative to the pack.

    Raises:
        UserError: they are missing, or point outside.
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
        UserError: one is missing or another.
    """
    for name, entry in manifest["files"].items():
        path = folder / name
        if not path.is_file():
            raise UserError(f"{pack}: '{name}' is listed but missing; copy or download it again")
        if path.stat().st_size != entry["bytes"] or sha256_of(path) != entry["sha256"]:
            raise UserError(f"{pack}: '{name}' is not the file that was packed (SHA-256 differs); download it again")


def unlisted(names: list[str], manifest: dict[str, Any]) -> list[str]:
    """Return those of ``names`` that neither the manifest lists nor the format knows."""
    return sorted(set(names) - set(manifest["files"]) - {MANIFEST})
