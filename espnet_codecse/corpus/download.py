"""Downloads of large files that go on where they stopped."""

import shutil
import sys
import urllib.error
import urllib.request
from pathlib import Path

from espnet_codecse.errors import UserError
from espnet_codecse.fileio import make_folder, sha256_of

BLOCK_BYTES = 1 << 20
TIMEOUT_SECONDS = 30.0


def download(url: str, path: Path, sha256: str | None = None) -> None:
    """Download ``url`` to ``path`` by way of ``path.part``, from where an earlier call was stopped; done: nothing.

    The size is compared with what the server says, and the content with ``sha256`` where it is known.

    Raises:
        UserError: no network, the server refuses, the disk is full, or the content is another.
    """
    if path.is_file():
        return
    part = path.with_name(path.name + ".part")
    make_folder(part.parent)
    start = part.stat().st_size if part.is_file() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"} if start else {})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
            # A server that does not know ranges sends everything from the start.
            start = start if response.status == 206 else 0
            total = start + int(response.headers.get("Content-Length") or 0)
            free = shutil.disk_usage(part.parent).free
            if free < total - start:
                needed = f"{path.name} needs {(total - start) / 1e9:.1f} GB"
                raise UserError(f"{part.parent}: {free / 1e9:.1f} GB free, {needed}")
            _store(response, part, start, total, path.name)
    except urllib.error.HTTPError as error:
        if error.code != 416:  # nothing left to send: the file was complete already
            answer = f"{error.code} {error.reason}"
            raise UserError(f"{url}: the server answers {answer}; download it by hand to {path}") from None
        total = start
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", error)
        raise UserError(
            f"{url}: cannot be reached ({reason}); run the command again to resume, or download it by hand to {path}"
        ) from None
    except OSError as error:
        raise UserError(f"{part}: cannot be written ({error.strerror}); free some space and call again") from None
    if total and part.stat().st_size < total:
        raise UserError(f"{url}: stopped at {part.stat().st_size} of {total} bytes; run the command again to resume")
    if sha256 is not None and sha256_of(part) != sha256:
        part.unlink()
        raise UserError(f"{url}: its SHA-256 is not the expected one; removed, run the command again")
    part.replace(path)


def _store(response, part: Path, start: int, total: int, name: str) -> None:
    from tqdm import tqdm

    with (
        open(part, "ab" if start else "wb") as stream,
        tqdm(
            total=total or None, initial=start, unit="B", unit_scale=True, desc=name, file=sys.stderr, disable=None
        ) as progress,
    ):
        while block := response.read(BLOCK_BYTES):
            stream.write(block)
            progress.update(len(block))
