"""Kaldi-style two-column files, atomic writes and hashes."""

import codecs
import errno
import hashlib
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from espnet_codecse.errors import UserError

PathLike = str | os.PathLike[str]
MAX_ID_BYTES = 200  # file systems take names of 255, and temporary files add to them
_MAX_NAME = 255  # bytes, of the usual file systems
_RANDOM = 8  # characters that mkstemp puts between prefix and suffix
_TEMPORARY = re.compile(rf"(\..+\.)[a-z0-9_]{{{_RANDOM}}}(\.[^.]+)?")  # names of temporary files
_PLAIN_ID = re.compile(rf"[!-,\-0-~][!-.0-~]{{0,{MAX_ID_BYTES - 1}}}")  # ASCII, no slash, and no dot at the beginning
_REMEDIES = {
    errno.EACCES: "choose a folder that you may write to",
    errno.EPERM: "choose a folder that you may write to",
    errno.EROFS: "choose a folder that you may write to",
    errno.EMFILE: "raise the limit of open files: ulimit -n 4096",
    errno.ENFILE: "close other programs, which have too many open files",
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


def remove_temporary(files: Iterable[PathLike]) -> None:
    """Delete what killed processes left beside ``files`` while they wrote them; nobody may be writing them now."""
    prefixes = {(Path(file).parent, temporary_prefix(file)) for file in files}
    for folder in {parent for parent, _ in prefixes}:
        if not folder.is_dir():
            continue
        for entry in folder.iterdir():
            found = _TEMPORARY.fullmatch(entry.name)
            if found and (folder, found.group(1)) in prefixes:
                entry.unlink(missing_ok=True)


def remove_temporary_below(folder: PathLike) -> None:
    """Delete what killed processes left anywhere below a folder that only this process may write to now."""
    for path in Path(folder).rglob(".*"):
        if _TEMPORARY.fullmatch(path.name) and path.is_file():
            path.unlink(missing_ok=True)


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


def remove_file(path: PathLike) -> None:
    """Remove a file, such as a marker of finished work; it may be missing.

    Raises:
        UserError: it cannot be removed.
    """
    try:
        Path(path).unlink(missing_ok=True)
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


def read_text(path: PathLike, remedy: str = "check the path", max_bytes: int | None = None) -> str:
    """Read a file of UTF-8 text; a byte order mark is left out.

    Args:
        path: the file.
        remedy: end of the message if the file is missing.
        max_bytes: larger files are refused; None: no limit.

    Raises:
        UserError: the file is missing, cannot be read, is too large, or is not UTF-8 text.
    """
    try:
        if max_bytes is not None and os.path.getsize(path) > max_bytes:
            raise UserError(f"{path}: is larger than {max_bytes / 1e6:.0f} MB; refused")
        with open(path, "rb") as stream:
            content = stream.read()
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; {remedy}") from None
    except (OSError, ValueError) as error:  # ValueError: the path has a NUL
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{path}: cannot be read ({reason}); check the path and its permissions") from None
    encoding = next((name for mark, name in _OTHER_ENCODINGS.items() if content.startswith(mark)), None)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        encoding = encoding or (None if b"\0" in content else "LATIN1")
        text = "\0"
    if encoding is None and "\0" in text:
        raise UserError(f"{path}: not a text file; a list or configuration is expected here")
    if encoding is not None:
        raise UserError(f"{path}: not UTF-8 text; convert it: iconv -f {encoding} -t UTF-8")
    return text


_OTHER_ENCODINGS = {codecs.BOM_UTF16_LE: "UTF-16", codecs.BOM_UTF16_BE: "UTF-16"}


def read_marker(path: PathLike) -> str:
    """Return the text of a marker of finished work; empty if it is missing or damaged, so that the work is redone."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""


def read_scp(path: PathLike) -> dict[str, str]:
    """Read ``id value`` lines; the value may hold spaces.

    Raises:
        UserError: the file is missing or not text, a line has no value, or an id occurs twice or is a path.
    """
    table: dict[str, str] = {}
    # Not splitlines(), which also splits at characters that an id or a path may hold.
    for number, line in enumerate(read_text(path, "was the stage that writes it run?").split("\n"), 1):
        fields = line.strip().split(maxsplit=1)
        if not fields:
            continue
        if len(fields) == 1:
            raise UserError(f"{path}:{number}: '{fields[0][:80]}' has no value; every line must be 'id value'")
        if not _PLAIN_ID.fullmatch(fields[0]):  # seldom; lists have millions of lines
            check_id(fields[0], f"{path}:{number}")
        if fields[0] in table:
            raise UserError(f"{path}:{number}: the id '{fields[0]}' occurs twice; remove one of the lines")
        table[fields[0]] = fields[1]
    return table


def read_counts(path: PathLike) -> dict[str, int]:
    """Read ``id number`` lines, such as ``utt2num_samples``.

    Raises:
        UserError: as :func:`read_scp`, or a value is not a number of at least 0.
    """
    table = read_scp(path)
    for key, value in table.items():
        if not (value.isascii() and value.isdigit() and len(value) < 16):
            raise UserError(f"{path}: '{key}' is '{value[:40]}', not a number; run the stage that writes it again")
    return {key: int(value) for key, value in table.items()}


def check_id(utterance: str, where: str) -> None:
    """Check that an utterance id can name files: ids come from lists, and outputs are named after them.

    Raises:
        UserError: the id is a path that begins with a slash, or a part of it is empty or begins with a dot.
    """
    parts = utterance.split("/")
    if any(part in ("", ".", "..") for part in parts):
        raise UserError(f"{where}: the id '{utterance[:80]}' is a path; give the utterance another id")
    if any(part.startswith(".") for part in parts):  # temporary files are named so
        raise UserError(f"{where}: the id '{utterance[:80]}' begins with a dot; give the utterance another id")
    if len(utterance.encode("utf-8", "surrogateescape")) > MAX_ID_BYTES:
        raise UserError(f"{where}: the id '{utterance[:40]}...' is longer than {MAX_ID_BYTES} bytes; shorten it")


def file_stem(utterance: str) -> str:
    """Return the file name, without suffix, for an id; different ids have different names.

    ``a/b`` gives ``a%2Fb``. A percent sign is replaced too, so that the id can be restored by unquoting.
    """
    return utterance.replace("%", "%25").replace("/", "%2F")


def write_scp(path: PathLike, table: Mapping[str, object]) -> None:
    """Write ``id value`` lines sorted as under ``LC_ALL=C``, atomically."""
    # Code-point order of Python strings equals the byte order of their UTF-8, which is what LC_ALL=C sorts by.
    with atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8") as stream:
        for key in sorted(table):
            stream.write(f"{key} {table[key]}\n")
