"""The packs that are at hand: carried by the package, unpacked into the cache, downloaded from the hub, or on it."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from espnet_codecse.codec.resolve import PRETRAINED, cache_dir
from espnet_codecse.errors import UserError
from espnet_codecse.zoo.manifest import MANIFEST, META, read_manifest

LIBRARY = "espnet_codecse"  # the tag of the cards that codecse pack writes
PACKAGE, CACHE, HUB = "package", "cache", "hub"


@dataclass(frozen=True)
class CatalogueEntry:
    """A pack.

    Attributes:
        name: what ``--model`` takes.
        place: where it is: one of :data:`PACKAGE`, :data:`CACHE`, :data:`HUB`.
        folder: its folder.
        manifest: content of ``codecse.yaml``.
    """

    name: str
    place: str
    folder: Path
    manifest: Mapping[str, Any]


def carried() -> list[CatalogueEntry]:
    """Return the models of the package."""
    folders = sorted(path.parent for path in PRETRAINED.glob(f"*/{META}"))
    return [CatalogueEntry(folder.name, PACKAGE, folder, read_manifest(folder, folder.name)) for folder in folders]


def cached() -> list[CatalogueEntry]:
    """Return what was unpacked into the cache or downloaded from the hub before; what is damaged is left out."""
    found = [*_readable(CACHE, cache_dir() / "packs", "*")]
    hub = _hub_cache()
    if hub is not None:
        found += _readable(HUB, hub, "models--*/snapshots/*")
    return found


def on_hub() -> list[str]:
    """Return the ids of the packs on the hub, by the tag of their cards.

    Raises:
        UserError: huggingface_hub is not installed, or the hub cannot be reached.
    """
    try:
        from huggingface_hub import HfApi
    except ImportError:
        raise UserError("--hub: needs huggingface_hub; pip install huggingface_hub") from None
    try:
        return sorted(model.id for model in HfApi(os.environ.get("HF_ENDPOINT")).list_models(filter=LIBRARY))
    except Exception as error:  # the hub's client passes on exceptions of every network library
        raise UserError(f"--hub: cannot be reached ({type(error).__name__}); check the network") from None


def _readable(place: str, folder: Path, pattern: str) -> Iterator[CatalogueEntry]:
    for path in sorted(folder.glob(f"{pattern}/{MANIFEST}")):
        name = str(path.parent)
        if place == HUB:
            parts = path.parent.parent.parent.name.split("--")
            name = f"{'/'.join(parts[1:])}@{path.parent.name[:12]}"
        try:
            yield CatalogueEntry(name, place, path.parent, read_manifest(path.parent, name))
        except UserError:
            continue


def _hub_cache() -> Path | None:
    try:
        from huggingface_hub.constants import HF_HUB_CACHE
    except ImportError:
        return None
    return Path(HF_HUB_CACHE)
