"""The one exception for bad input: its text is the whole message that a user sees."""

from collections.abc import Iterable
from difflib import get_close_matches


class UserError(Exception):
    """Bad input or a missing requirement.

    The message is a single line that names the file (or option), the reason and what to do.
    Commands print it without a traceback and exit with status 1.
    """


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``; did you mean X?`` with the name that is nearest to ``name``, or nothing if none is near."""
    near = get_close_matches(name, list(known), 1)
    return f"; did you mean {near[0]}?" if near else ""
