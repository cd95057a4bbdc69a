"""What the workers of test_pool.py run; a module of its own because workers import it by name."""

import os
import time
from pathlib import Path


def square(number):
    """The square, the workers' thread limit and the process that computed it."""
    return number * number, os.environ.get("OMP_NUM_THREADS"), os.getpid()


def die(number):
    """End the process without a word, as one does that is killed for want of memory."""
    os._exit(3)


def wait_for_ever(folder):
    """Leave a file named by the process and wait."""
    Path(folder, str(os.getpid())).touch()
    time.sleep(600)
