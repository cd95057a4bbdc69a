"""Models of the Hugging Face hub, which is also where the model zoo's tags lie."""

import logging
import os
from pathlib import Path

from espnet_codecse.errors import UserError
from espnet_codecse.zoo.archive import MAX_BYTES
from espnet_codecse.zoo.manifest import MANIFEST, META, check_files, read_manifest


def split_revision(name: str) -> tuple[str, str | None]:
    """Split ``id@revision``; the revision is None where none is given."""
    identifier, _, revision = name.partition("@")
    return identifier, revision or None


def download(name: str) -> Path:
    """Fetch the pack ``id`` or ``id@revision`` into the hub's cache and return its folder.

    First its manifest, then only what that lists: a repository may hold anything beside a pack.

    Raises:
        UserError: it cannot be had, is no pack, or a file is not the one that was packed.
    """
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.constants import HF_HUB_CACHE
    except ImportError:
        raise UserError(f"--model {name}: needs huggingface_hub; pip install huggingface_hub, or pass a zip") from None
    identifier, revision = split_revision(name)
    folder: Path | None = None
    try:
        folder = _fetch(snapshot_download, identifier, revision, [META, MANIFEST])
        manifest = read_manifest(folder, name)
        total = sum(entry["bytes"] for entry in manifest["files"].values())
        if total > MAX_BYTES:
            raise UserError(f"{name}: {total / 1e9:.1f} GB, the limit is {MAX_BYTES / 1e9:.0f} GB; refused")
        # The same commit, should the branch move meanwhile.
        folder = _fetch(snapshot_download, identifier, folder.name, [META, MANIFEST, *manifest["files"]])
    except UserError:
        raise
    except Exception as error:  # the hub's client lets every network library's own exceptions through
        raise UserError(
            f"--model {name}: not in the cache {HF_HUB_CACHE} and not to be had from the hub "
            f"({type(error).__name__}); pass --model a downloaded folder or zip, or check the name and the network"
        ) from None
    check_links(folder, name)
    check_files(folder, manifest, name)
    return folder


def _fetch(snapshot_download, identifier: str, revision: str | None, patterns) -> Path:
    logger = logging.getLogger("huggingface_hub")
    level = logger.level
    logger.setLevel(logging.ERROR)  # what fails is told once, by the caller
    try:
        folder = snapshot_download(
            identifier,
            revision=revision,
            allow_patterns=list(patterns),
            library_name="espnet_codecse",
            endpoint=os.environ.get("HF_ENDPOINT"),
        )
    finally:
        logger.setLevel(level)
    return Path(folder)


def check_links(folder: Path, name: str) -> None:
    """Check that every file is one of the hub's cache of this model, to whose blobs its links lead.

    Raises:
        UserError: a link leads elsewhere.
    """
    root = folder.resolve()
    if root.parent.name == "snapshots":
        root = root.parent.parent
    for path in folder.rglob("*"):
        if not path.resolve().is_relative_to(root):
            raise UserError(f"{name}: '{path.relative_to(folder)}' is a link that leads outside; refused")
