"""What tells whether files are still the same, and what outputs were made of.

Dates alone do not tell: a copy that keeps its date is older than what was made of the file that it replaces, and so is
the checkpoint of an earlier epoch.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from espnet_codecse.fileio import PathLike, atomic_path, cannot_be_written

_PROBE = 4096  # bytes


def file_state(path: PathLike) -> str:
    """Return what changes with the content of a file: its size, the time of its last change, and a hash of three spots.

    Raises:
        OSError: the file cannot be read.
    """
    with open(path, "rb") as stream:
        status = os.fstat(stream.fileno())
        digest = hashlib.sha256()
        for position in (0, status.st_size // 2, max(0, status.st_size - _PROBE)):
            stream.seek(position)
            digest.update(stream.read(_PROBE))
    return f"{status.st_size} {status.st_mtime_ns} {digest.hexdigest()[:16]}"


def hash_of(value: Any) -> str:
    """Return a hash of a JSON-serialisable value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:24]


class Ledger:
    """Records what each output of a folder was made of; it survives ``kill -9`` at any moment.

    Args:
        folder: folder of the ledger.
        writer: name of this writer. Processes that write at the same time need different names; all read all.
    """

    def __init__(self, folder: Path, writer: str = "1"):
        self._path = folder / f".made_of.{writer}.jsonl"
        self._made_of: dict[str, str] = {}
        for path in sorted(folder.glob(".made_of.*.jsonl"), key=lambda path: path.stat().st_mtime_ns):
            self._made_of.update(_entries(path))
        # Drops what a killed process has written in part, and entries that were superseded.
        self._rewrite(dict(_entries(self._path)))

    def is_done(self, output: str, made_of: str, files: Sequence[Path]) -> bool:
        """Return whether the ``files`` of an output are there and were made of the same."""
        return self._made_of.get(output) == made_of and all(file.is_file() for file in files)

    def add(self, made_of: Mapping[str, str]) -> None:
        """Record finished outputs ``{output: what it was made of}``.

        Raises:
            UserError: the ledger cannot be written.
        """
        self._made_of.update(made_of)
        try:
            with open(self._path, "a", encoding="utf-8", errors="surrogateescape") as stream:
                stream.writelines(_line(*entry) for entry in made_of.items())
        except OSError as error:
            raise cannot_be_written(self._path, error) from error

    def _rewrite(self, entries: Mapping[str, str]) -> None:
        text = "".join(_line(*entry) for entry in entries.items())
        if self._path.is_file() and self._path.read_bytes() != text.encode("utf-8", "surrogateescape"):
            with atomic_path(self._path) as temporary:
                temporary.write_text(text, encoding="utf-8", errors="surrogateescape")


def _line(output: str, made_of: str) -> str:
    return json.dumps([output, made_of], ensure_ascii=False) + "\n"


def _entries(path: Path) -> Iterator[tuple[str, str]]:
    """Yield ``(output, what it was made of)``; lines that are damaged or cut are passed over: these are made again."""
    try:
        lines: Iterable[str] = path.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return
    for line in lines:
        try:
            output, made_of = json.loads(line)
        except ValueError:
            continue
        if isinstance(output, str) and isinstance(made_of, str):
            yield output, made_of
