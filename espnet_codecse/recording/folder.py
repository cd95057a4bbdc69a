"""The output folder: its settings, finished outputs and failures."""

import fcntl
import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from espnet_codecse.errors import UserError
from espnet_codecse.fileio import atomic_path, remove_temporary
from espnet_codecse.identity import Ledger, hash_of
from espnet_codecse.recording.job import Job

MANIFEST, FAILED = ".codecse.json", "failed.tsv"


@contextmanager
def output_folder(folder: Path, settings: dict[str, Any]) -> Iterator["OutputFolder"]:
    """Create the folder if necessary, and yield it locked against runs with other settings.

    Args:
        folder: the output folder.
        settings: everything that the outputs depend on apart from the recordings; JSON-serialisable.

    Raises:
        UserError: the folder cannot be written, or a run with other settings is writing into it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise UserError(f"--output_dir {folder}: cannot be used ({error.strerror}); choose another folder") from None
    try:
        yield OutputFolder(folder, settings, alone=_lock(handle))
    finally:
        os.close(handle)


def _lock(handle: int) -> bool:
    """Take a shared lock, which ends with the process, and return whether no other run holds one."""
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            alone = True
        except BlockingIOError:
            alone = False
        fcntl.flock(handle, fcntl.LOCK_SH)
        return alone
    except OSError:  # a file system without locks
        return False


class OutputFolder:
    """See :func:`output_folder`.

    Outputs are done if the ledger says that they were made of the same recording with the same settings.
    """

    def __init__(self, folder: Path, settings: dict[str, Any], alone: bool):
        self.folder, self._alone = folder, alone
        manifest = folder / MANIFEST
        text = json.dumps(settings, indent=2, sort_keys=True) + "\n"
        try:
            same = manifest.read_text("utf-8") == text
        except (OSError, UnicodeDecodeError):
            same = False
        if not same:
            if manifest.is_file() and not alone:
                raise UserError(f"{folder}: a run with other settings is writing into it; choose another folder")
            with atomic_path(manifest) as temporary:
                temporary.write_text(text, "utf-8")
        self._settings, self._ledger = settings, Ledger(folder)

    def is_done(self, job: Job) -> bool:
        """Return whether all outputs of a job exist and were made of this recording with these settings."""
        return self._ledger.is_done(self._name(job), self._made_of(job), job.files)

    def add_done(self, jobs: Sequence[Job]) -> None:
        """Record that the outputs of ``jobs`` are complete."""
        self._ledger.add({self._name(job): self._made_of(job) for job in jobs})

    def _name(self, job: Job) -> str:
        return os.path.relpath(job.files[0], self.folder)

    def _made_of(self, job: Job) -> str:
        return hash_of([self._settings, job.state])

    def remove_temporary(self, files: Sequence[Path]) -> None:
        """Delete temporary files that a killed run left beside ``files``, unless another run is writing."""
        if self._alone:
            remove_temporary(files)

    def write_failures(self, failures: Sequence[tuple[Path, str | None]]) -> None:
        """Write ``failed.tsv`` (path, reason), or remove it if nothing failed."""
        path = self.folder / FAILED
        if not failures:
            path.unlink(missing_ok=True)
            return
        lines: list[str] = ["path\treason"]
        # A file name may contain any character except a slash; surrogates stand for bytes that are not valid UTF-8.
        lines += [re.sub(r"[\t\n\r]", " ", str(name)) + f"\t{reason}" for name, reason in failures]
        with atomic_path(path) as temporary:
            temporary.write_text("\n".join(lines) + "\n", "utf-8", errors="surrogateescape")
