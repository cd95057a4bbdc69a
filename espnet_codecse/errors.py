"""The one exception for bad input: its text is the whole message that a user sees."""


class UserError(Exception):
    """Bad input or a missing requirement.

    The message is a single line that names the file (or option), the reason and what to do.
    Commands print it without a traceback and exit with status 1.
    """
