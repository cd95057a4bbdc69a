"""Let a process end with the shell or runner that started it.

A runner that is killed with SIGKILL cannot stop what it started. Such an orphan would go on writing into a folder in
which the next run works.
"""

import ctypes
import os
import signal
import sys

VARIABLE = "CODECSE_END_WITH_PARENT"  # set by recipes: a user may put a command into the background and log out
_PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """Ask the kernel for SIGTERM when the parent process ends, however it does; it survives ``exec``, but not a fork.

    Only Linux has this; elsewhere nothing happens.
    """
    if not sys.platform.startswith("linux"):
        return
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:  # it ended meanwhile
        os.kill(os.getpid(), signal.SIGTERM)


def follow_recipe() -> None:
    """Call :func:`end_with_parent` in a process that a recipe started."""
    if os.environ.get(VARIABLE):
        end_with_parent()
