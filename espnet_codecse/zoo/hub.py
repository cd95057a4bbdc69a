"""Models of the Hugging Face hub, which also hosts the model zoo's tags."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from espnet_codecse.errors import UserError
from espnet_codecse.zip_limits import MAX_BYTES
from espnet_codecse.zoo.manifest import MANIFEST, META, check_files, read_manifest


def split_revision(name: str) -> tuple[str, str | None]:
    """Split ``id@revision``; the revision is None if it is not given."""
    identifier, _, revision = name.partition("@")
    return identifier, revision or None


def download(name: str) -> Path:
    """Download the pack ``id`` or ``id@revision`` into the hub's cache and return its folder.

    The manifest is fetched first, then only the files that it lists, because a repository may hold other files.

    Raises:
        UserError: the repository cannot be downloaded or is not a pack, or a file differs from the packed one.
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
        # Pin the commit, in case the branch moves in the meantime.
        folder = _fetch(snapshot_download, identifier, folder.name, [META, MANIFEST, *manifest["files"]])
    except UserError:
        raise
    except Exception as error:  # the hub's client passes on exceptions of every network library
        raise UserError(
            f"--model {name}: not in the cache {HF_HUB_CACHE}, and the download failed "
            f"({type(error).__name__}); check the name and the network, or pass a downloaded folder or zip"
        ) from None
    check_links(folder, name)
    check_files(folder, manifest, name)
    return folder


def _fetch(snapshot_download, identifier: str, revision: str | None, patterns) -> Path:
    logger = logging.getLogger("huggingface_hub")
    level = logger.level
    logger.setLevel(logging.ERROR)  # the caller reports the failure
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


@contextmanager
def offline() -> Iterator[None]:
    """Keep the hub's library from the network within this context."""
    constants = sys.modules.get("huggingface_hub.constants")
    saved = os.environ.get("HF_HUB_OFFLINE"), getattr(constants, "HF_HUB_OFFLINE", None)
    os.environ["HF_HUB_OFFLINE"] = "1"
    if constants is not None:  # it reads the environment only when it is imported
        constants.HF_HUB_OFFLINE = True  # type: ignore[attr-defined]
    try:
        yield
    finally:
        if saved[0] is None:
            del os.environ["HF_HUB_OFFLINE"]
        else:
            os.environ["HF_HUB_OFFLINE"] = saved[0]
        constants = sys.modules.get("huggingface_hub.constants")
        if constants is not None:
            before = (saved[0] or "").upper() in ("1", "ON", "YES", "TRUE")
            constants.HF_HUB_OFFLINE = before if saved[1] is None else saved[1]  # type: ignore[attr-defined]


def check_links(folder: Path, name: str) -> None:
    """Check that all links stay within the model's part of the hub's cache.

    Raises:
        UserError: a link leads elsewhere.
    """
    root = folder.resolve()
    if root.parent.name == "snapshots":
        root = root.parent.parent
    for path in folder.rglob("*"):
        if not path.resolve().is_relative_to(root):
            raise UserError(f"{name}: '{path.relative_to(folder)}' is a link that leads outside; refused")
