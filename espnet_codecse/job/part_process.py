"""A part as a process of this machine, with its log; used by every back end."""

import os
import shlex
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from espnet_codecse.errors import UserError
from espnet_codecse.job.abs_backend import Part
from espnet_codecse.job.lifeline import VARIABLE, end_with_parent
from espnet_codecse.job.marker import forget, mark_done

SHELL_OPERATORS = frozenset({"|", ">", ">>", "<", "2>", "2>>", "2>&1", "&&", "||", ";"})


def shell_line(part: Part) -> str:
    """Return the command as a shell line: operators are bare, everything else is quoted."""
    return " ".join(arg if arg in SHELL_OPERATORS else shlex.quote(arg) for arg in part.command)


def _time() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S")


def note_end(log: Path, text: str) -> None:
    """Write the last line of the log for a part that could not do so; ``text`` says how it ended."""
    with open(log, "ab") as stream:
        stream.write(f"# ended: {_time()} {text}\n".encode())


class PartProcess:
    """A running part.

    Args:
        part: what to run; its marker is removed first.
        environment: variables added to those of this process.
        own_group: start the part in its own process group, which can be stopped as a whole.

    Raises:
        UserError: the log cannot be written.
    """

    def __init__(self, part: Part, environment: Mapping[str, str] | None = None, own_group: bool = True):
        self.part = part
        try:
            forget(part)
            part.log.parent.mkdir(parents=True, exist_ok=True)
            self._log = open(part.log, "wb")  # noqa: SIM115 - closed when the process has ended
        except OSError as error:
            raise UserError(f"{part.log}: the log cannot be written ({error.strerror}); check the folder") from error
        line = shell_line(part)
        self._log.write(f"# host: {socket.gethostname()}\n# command: {line}\n# started: {_time()}\n#\n".encode())
        self._log.flush()
        self._start = time.monotonic()
        self.process = subprocess.Popen(
            ["bash", "-c", f"set -o pipefail; {line}"],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env={**os.environ, VARIABLE: "1", **(environment or {})},
            start_new_session=own_group,
            preexec_fn=end_with_parent,
        )

    def finish(self) -> int:
        """Close the log of a part that has ended, mark it done if it succeeded, and return its status."""
        status = self.process.returncode
        # The children write through the same file description, so the position is at the end of their output.
        self._close(f"status {status}, {time.monotonic() - self._start:.1f} seconds")
        if status == 0:
            mark_done(self.part)
        return status

    def abandon(self) -> None:
        """Close the log of a part that was stopped."""
        self._close("stopped from outside")

    def _close(self, text: str) -> None:
        self._log.write(f"# ended: {_time()} {text}\n".encode())
        self._log.close()
