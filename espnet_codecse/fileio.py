"""Kaldi-style two-column files, atomic writes and hashes."""

import errno
import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from espnet_codecse.errors import UserError

PathLike = str | os.PathLike[str]


_MAX_NAME = 255  # bytes, of the usual file systems
_RANDOM = 8  # characters that mkstemp puts between prefix and suffix
_REMEDIES = {
    errno.EACCES: "choose a folder that you may write to",
    errno.EPERM: "choose a folder that you may write to",
    errno.EROFS: "choose a folder that you may write to",
    errno.ENAMETOOLONG: "shorten its name",
    errno.ENOTDIR: "a file is where a folder should be, choose another folder",
    errno.EEXIST: "a file is where a folder should be, choose another folder",
    errno.EISDIR: "a folder is where the file should be, choose another name",
}


def temporary_prefix(path: PathLike) -> str:
    """Return how the names of temporary files for ``path`` begin; a long name is shortened to a hash."""
    path = Path(path)
    prefix = f".{path.stem}."
    if len(os.fsencode(prefix + path.suffix)) + _RANDOM > _MAX_NAME:
        return f".{hashlib.sha256(os.fsencode(path.stem)).hexdigest()[:16]}."
    return prefix


@contextmanager
def atomic_path(path: PathLike) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on success sync it and rename it to ``path``.

    A process killed at any moment leaves either the old file or the complete new one.

    Raises:
        UserError: the file system is full or does not accept the file.
    """
    path = Path(path)
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # The suffix is kept because soundfile and numpy choose the format by it.
        handle, name = tempfile.mkstemp(prefix=temporary_prefix(path), suffix=path.suffix, dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        with open(temporary, "rb+") as stream:
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o666 & ~_umask())  # mkstemp gives 0600, but results are shared by a group
        os.replace(temporary, path)
    except OSError as error:
        raise cannot_be_written(path, error) from error
    finally:
        if temporary is not None:
            with suppress(OSError):  # the folder may have become read-only
                temporary.unlink(missing_ok=True)


def cannot_be_written(path: PathLike, error: OSError) -> UserError:
    """Return the message for a file or folder that cannot be written, with a remedy for the reason."""
    remedy = _REMEDIES.get(error.errno or 0, "free some space or choose another folder")
    return UserError(f"{path}: cannot be written ({error.strerror or error}); {remedy}")


def make_folder(path: PathLike) -> None:
    """Make a folder and those above it; it may exist.

    Raises:
        UserError: it cannot be made.
    """
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_be_written(path, error) from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def sha256_of(path: PathLike) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def read_scp(path: PathLike) -> dict[str, str]:
    """Read ``id value`` lines; the value may hold spaces.

    Raises:
        UserError: the file is missing, a line has no value, or an id occurs twice or leads out of a folder.
    """
    table: dict[str, str] = {}
    try:
        with open(path, encoding="utf-8") as stream:
            for number, line in enumerate(stream, 1):
                fields = line.strip().split(maxsplit=1)
                if not fields:
                    continue
                if len(fields) == 1:
                    raise UserError(f"{path}:{number}: '{fields[0]}' has no value; every line must be 'id value'")
                if fields[0].startswith("/") or ".." in fields[0].split("/"):
                    # Outputs are named after ids.
                    raise UserError(f"{path}:{number}: the id '{fields[0]}' is a path; give the utterance another id")
                if fields[0] in table:
                    raise UserError(f"{path}:{number}: the id '{fields[0]}' occurs twice; remove one of the lines")
                table[fields[0]] = fields[1]
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; was the stage that writes it run?") from None
    return table


def write_scp(path: PathLike, table: Mapping[str, object]) -> None:
    """Write ``id value`` lines sorted as under ``LC_ALL=C``, atomically."""
    # Code-point order of Python strings equals the byte order of their UTF-8, which is what LC_ALL=C sorts by.
    with atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8") as stream:
        for key in sorted(table):
            stream.write(f"{key} {table[key]}\n")
