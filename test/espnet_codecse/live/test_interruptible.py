"""Ctrl-C comes between blocks, or while a stream waits."""

import os
import signal
import threading

import numpy as np
import pytest

from espnet_codecse.live.interruptible import interruptible


def interrupt():
    os.kill(os.getpid(), signal.SIGINT)


def test_a_block_is_completed():
    before = signal.getsignal(signal.SIGINT)
    with interruptible(np.zeros) as read:
        assert len(read(3)) == 3
        interrupt()
        completed = sum(range(1000))  # what a block does after the signal
        with pytest.raises(KeyboardInterrupt):
            read(3)
    assert completed and signal.getsignal(signal.SIGINT) is before


def test_waiting_ends_at_once():
    def wait(count):
        threading.Timer(0.1, interrupt).start()
        threading.Event().wait(60)
        raise AssertionError("was not interrupted")

    with interruptible(wait) as read, pytest.raises(KeyboardInterrupt):
        read(3)


def test_elsewhere_nothing_changes():
    def use():
        with interruptible(np.zeros) as read:
            found.append(read)

    found = []
    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert found == [np.zeros]
