"""What a zip from outside may unpack to."""

import zipfile
from collections.abc import Sequence

from espnet_codecse.errors import UserError

MAX_BYTES = 2_000_000_000  # of all files of an archive
MAX_RATIO = 50  # unpacked to packed size, of the archive and of every large file; weights hardly compress
LARGE_BYTES = 1_000_000


def check_unpacked_size(members: Sequence[zipfile.ZipInfo], archive_bytes: int, label: str) -> None:
    """Check what the members of an archive unpack to, before anything is written.

    Args:
        members: all members.
        archive_bytes: size of the archive.
        label: name of the archive in messages.

    Raises:
        UserError: they are larger than :data:`MAX_BYTES`, or than :data:`MAX_RATIO` times their packed size.
    """
    files = [member for member in members if not member.is_dir()]
    total = sum(member.file_size for member in files)
    if total > MAX_BYTES:
        limit = f"{MAX_BYTES / 1e9:.0f} GB"
        raise UserError(f"{label}: would unpack to {total / 1e9:.1f} GB, the limit is {limit}; refused")
    large = [member for member in files if member.file_size > LARGE_BYTES]
    pairs = [(total, archive_bytes), *((member.file_size, member.compress_size) for member in large)]
    ratio = max(size / max(packed, 1) for size, packed in pairs)
    if ratio > MAX_RATIO:
        raise UserError(f"{label}: would unpack to {ratio:.0f} times its size, the limit is {MAX_RATIO}; refused")
