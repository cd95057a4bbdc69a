"""Keeping the chatter of libraries at import away from the user."""

import contextlib
import io
import warnings
from collections.abc import Iterator


@contextlib.contextmanager
def quiet_imports() -> Iterator[None]:
    """Drop what modules print and warn of while they are imported; exceptions pass."""
    dropped = io.StringIO()
    with warnings.catch_warnings(), contextlib.redirect_stdout(dropped), contextlib.redirect_stderr(dropped):
        warnings.simplefilter("ignore")
        yield
