"""Keeping the chatter of libraries at import away from the user, and standard output to the result."""

import contextlib
import io
import os
import sys
import warnings
from typing import BinaryIO, Iterator


@contextlib.contextmanager
def quiet_imports() -> Iterator[None]:
    """Drop what modules print and warn of while they are imported; exceptions pass."""
    dropped = io.StringIO()
    with warnings.catch_warnings(), contextlib.redirect_stdout(dropped), contextlib.redirect_stderr(dropped):
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def reserved_stdout() -> Iterator[BinaryIO]:
    """Yield standard output as a stream of bytes, and send all that others print there to standard error."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with os.fdopen(os.dup(kept), "wb") as stream:
            yield stream
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)
