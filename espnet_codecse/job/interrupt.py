"""Signals that end a runner, turned into an exception so that it can stop what it has started."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(KeyboardInterrupt):
    """The runner received a signal; ``args[0]`` is its number."""


@contextmanager
def signals_as_exception() -> Iterator[None]:
    """Within the block SIGINT, SIGTERM and SIGHUP raise ``Interrupted`` so that ``finally`` clauses run."""

    def _raise(number: int, frame: object) -> None:
        raise Interrupted(number)

    previous = {number: signal.signal(number, _raise) for number in NUMBERS}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def ignore_signals() -> None:
    """Let the clearing up after a signal not be stopped by the next one; the process ends soon anyway."""
    for number in NUMBERS:
        signal.signal(number, signal.SIG_IGN)
