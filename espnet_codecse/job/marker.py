"""Done markers: a part that succeeded is not run again unless its command changes."""

import hashlib
from pathlib import Path

from espnet_codecse.fileio import atomic_path, read_marker
from espnet_codecse.job.abs_backend import Part


def marker_path(part: Part) -> Path:
    """Return the path of the marker, ``<log>.done`` beside the log."""
    return part.log.with_name(part.log.name + ".done")


def command_hash(part: Part) -> str:
    """Return a hash of the part's arguments, joined by zero bytes, which cannot occur in them."""
    return hashlib.sha256("\0".join(part.command).encode("utf-8", "surrogateescape")).hexdigest()


def is_done(part: Part) -> bool:
    """Return whether the same command ended with status 0 before."""
    return read_marker(marker_path(part)).strip() == command_hash(part)


def mark_done(part: Part) -> None:
    """Record that the part ended with status 0."""
    with atomic_path(marker_path(part)) as temporary:
        temporary.write_text(command_hash(part) + "\n", encoding="utf-8")


def forget(part: Part) -> None:
    """Remove the marker of a part that is about to run again."""
    marker_path(part).unlink(missing_ok=True)
