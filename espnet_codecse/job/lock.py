"""One process per folder: the second one is refused, whoever left the first."""

import errno
import fcntl
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from espnet_codecse.errors import UserError
from espnet_codecse.fileio import cannot_be_written, make_folder


@contextmanager
def exclusive(folder: Path, share: tuple[int, int] | None = None, name: str = "") -> Iterator[None]:
    """Hold a folder for this process, until it ends in any way.

    Args:
        folder: made if it does not exist.
        share: ``(k, n)``: hold only the k-th of n shares of the work in the folder.
        name: hold only what has this name.

    Raises:
        UserError: another process holds it, or the folder cannot be written.
    """
    make_folder(folder)
    path = folder / ".lock{}{}".format(name and f".{name}", "" if share is None else ".{}of{}".format(*share))
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise cannot_be_written(path, error) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EACCES):
                holder = os.read(handle, 200).decode("utf-8", "replace").strip() or "another process"
                raise UserError(f"{folder}: {holder} is writing into it; wait until it has ended, or stop it") from None
            # A file system without locks: work as before there were any.
        os.ftruncate(handle, 0)
        started = time.strftime("%Y-%m-%d %H:%M:%S")
        command = " ".join(["codecse", *sys.argv[1:2]])
        os.pwrite(handle, f"process {os.getpid()} on {socket.gethostname()} ({command}, since {started})".encode(), 0)
        yield
    finally:
        os.close(handle)
