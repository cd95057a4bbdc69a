"""Turn signals that end a runner into an exception, so that it can stop the processes that it started."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(KeyboardInterrupt):
    """The runner received a signal; ``args[0]`` is its number."""


@contextmanager
def signals_as_exception() -> Iterator[None]:
    """Make SIGINT, SIGTERM and SIGHUP raise ``Interrupted`` within this context, so that ``finally`` clauses run."""

    def _raise(number: int, frame: object) -> None:
        raise Interrupted(number)

    previous = {number: signal.signal(number, _raise) for number in NUMBERS}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def ignore_signals() -> None:
    """Ignore further signals, so that they do not interrupt the clean-up after the first one."""
    for number in NUMBERS:
        signal.signal(number, signal.SIG_IGN)
