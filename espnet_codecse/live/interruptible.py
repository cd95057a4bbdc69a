"""Ctrl-C ends a stream between two blocks, never within one."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

Read = Callable[[int], np.ndarray]


@contextmanager
def interruptible(read: Read) -> Iterator[Read]:
    """Yield ``read``, which raises KeyboardInterrupt once SIGINT has come, at once if it waits for samples.

    Within a block, the exception would leave the states of channels and resamplers apart. Outside of the main thread,
    where signals do not arrive, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield read
        return
    waiting = received = False

    def handle(number: int, frame: object) -> None:
        nonlocal received
        received = True
        if waiting:
            raise KeyboardInterrupt

    def read_or_end(count: int) -> np.ndarray:
        nonlocal waiting
        waiting = True
        try:
            if received:
                raise KeyboardInterrupt
            return read(count)
        finally:
            waiting = False

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield read_or_end
    finally:
        signal.signal(signal.SIGINT, before)
