"""Unpack an untrusted zip into a cache folder, once."""

import os
import shutil
import stat
import tempfile
import zipfile
import zlib
from pathlib import Path

from espnet_codecse.codec.resolve import cache_dir
from espnet_codecse.errors import UserError
from espnet_codecse.fileio import sha256_of
from espnet_codecse.zip_limits import check_unpacked_size
from espnet_codecse.zoo.manifest import MAX_FILES, check_files, check_name, read_manifest, unlisted


def unpack(archive: Path, cache: Path | None = None, label: str = "") -> Path:
    """Unpack ``archive`` below the cache folder, unless that was done before, and return the folder.

    The folder's name is the SHA-256 of the archive. It appears only once all files are there and match the pack's
    manifest.

    Args:
        archive: the zip.
        cache: folder to use instead of ``$CODECSE_CACHE`` or the user's cache.
        label: name of the archive in messages; default: its path.

    Raises:
        UserError: the archive is damaged, hostile, or not a pack.
    """
    pack = label or str(archive)
    try:
        target = (cache or cache_dir()) / "packs" / sha256_of(archive)
    except OSError as error:
        raise UserError(f"{pack}: cannot be read ({error.strerror}); check the path and its permissions") from None
    if _is_whole(target, pack):
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        # Several processes may start at once: each unpacks its own copy, and the first to finish is kept.
        with tempfile.TemporaryDirectory(prefix=".unpack.", dir=target.parent) as temporary:
            folder = Path(temporary) / "content"
            _extract(archive, folder, pack)
            manifest = read_manifest(folder, pack)
            names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
            surplus = unlisted(names, manifest)
            if surplus:
                raise UserError(f"{pack}: '{surplus[0]}' is not in its list of files ({len(surplus)}); refused")
            check_files(folder, manifest, pack)
            _publish(folder, target, pack)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        hint = "free some space or set CODECSE_CACHE"
        raise UserError(f"{target.parent}: cannot be written ({reason}); {hint}") from None
    return target


def _is_whole(target: Path, pack: str) -> bool:
    """Whether ``target`` was unpacked before and is still complete; cache cleaners may remove files."""
    if not target.is_dir():
        return False
    try:
        return all((target / name).is_file() for name in read_manifest(target, pack)["files"])
    except UserError:
        return False


def _publish(folder: Path, target: Path, pack: str) -> None:
    if target.is_dir() and not _is_whole(target, pack):
        shutil.rmtree(target, ignore_errors=True)
    try:
        os.rename(folder, target)
    except OSError:
        if not _is_whole(target, pack):
            raise


def check_members(members: list[zipfile.ZipInfo], archive_bytes: int, pack: str) -> None:
    """Check names, kinds and sizes of all members before anything is written.

    Raises:
        UserError: a name leads outside or occurs twice, or there is a link, an unknown compression, or a zip bomb.
    """
    if len(members) > 2 * MAX_FILES:
        raise UserError(f"{pack}: {len(members)} members, a pack has at most {2 * MAX_FILES}; refused")
    check_unpacked_size(members, archive_bytes, pack)
    seen = set()
    for member in members:
        kind = stat.S_IFMT(member.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise UserError(f"{pack}: '{member.filename}' is a link or a special file; refused")
        # check_name expects a file, so a folder is checked as a file in it.
        path = check_name(f"{member.filename}x.txt" if member.is_dir() else member.filename, pack)
        # Some file systems ignore case.
        if str(path).lower() in seen:
            raise UserError(f"{pack}: '{member.filename}' occurs twice; refused")
        seen.add(str(path).lower())
        if member.flag_bits & 0x1 or member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise UserError(f"{pack}: '{member.filename}' is encrypted or compressed in an unusual way; refused")


def _extract(archive: Path, folder: Path, pack: str) -> None:
    try:
        with zipfile.ZipFile(archive) as content:
            members = content.infolist()
            check_members(members, archive.stat().st_size, pack)
            for member in members:
                path = folder / member.filename
                if member.is_dir():
                    path.mkdir(parents=True, exist_ok=True)
                    continue
                path.parent.mkdir(parents=True, exist_ok=True)
                with content.open(member) as source, open(path, "xb") as target:
                    shutil.copyfileobj(source, target, 1 << 20)
    except (zipfile.BadZipFile, EOFError, zlib.error, NotImplementedError, UnicodeError) as error:
        raise UserError(f"{pack}: not a readable zip ({error}); copy or download it again") from None
    except (FileExistsError, NotADirectoryError, IsADirectoryError):
        raise UserError(f"{pack}: a file and a folder have the same name; refused") from None
