"""The options ``--cmd`` and ``--part``, with which a command runs parts of its work through a job runner."""

import argparse
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

from espnet_codecse.errors import UserError
from espnet_codecse.job.interrupt import Interrupted, signals_as_exception

Share = tuple[int, int]  # (k, n): the k-th of n shares of the work, counted from 1
Submit = Callable[[int], None]  # called with the largest useful number of shares; returns when all have ended
INDEX = "CODECSE_PART"  # replaced by the runner; unlikely to occur in a path


def parse_share(text: str) -> Share:
    """Parse ``k/n``; argparse turns the ValueError into a message that names the option."""
    part, num_parts = (int(number) for number in text.split("/"))
    if not 1 <= part <= num_parts:
        raise ValueError
    return part, num_parts


def add_job_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--cmd`` and ``--part`` to a command that has ``--nj``."""
    parser.add_argument(
        "--cmd",
        default="",
        help="runner such as '${train_cmd}' that runs the nj parts as jobs, with logs beside the output",
    )
    parser.add_argument(
        "--part",
        type=parse_share,
        help="k/n: run only the k-th of n parts; a call without --part then writes the lists",
    )


def submitter(command: str, args: argparse.Namespace, argv: list[str], log_dir: Path, nj: int) -> Submit | None:
    """Return a function that runs the parts of this call as jobs; None without ``--cmd``.

    Args:
        command: command of ``codecse``.
        args, argv: its options, parsed and as given.
        log_dir: folder for ``<command>.<part>.log``.
        nj: largest number of parts.
    """
    if not args.cmd:
        return None
    call = ["codecse", command, *_without(argv, ("--cmd", "--nj")), "--nj", "1"]

    def submit(max_parts: int) -> None:
        num_parts = min(nj, max_parts)
        log = log_dir / f"{command}.{INDEX}.log"
        runner = [*shlex.split(args.cmd), "--resume", f"{INDEX}=1:{num_parts}", str(log)]
        status = _run_to_the_end([*runner, *call, "--part", f"{INDEX}/{num_parts}"])
        if status:
            raise UserError(f"{log_dir}: some parts failed; see the logs there, and run the same command again")
        # The command detects finished work by its own files; a marker would hide that its input has changed.
        for part in range(1, num_parts + 1):
            (log_dir / f"{command}.{part}.log.done").unlink(missing_ok=True)

    return submit


def _run_to_the_end(command: list[str]) -> int:
    """Run the runner; pass signals on to it and wait until it has stopped its jobs."""
    with signals_as_exception():
        process = subprocess.Popen(command)
        try:
            return process.wait()
        except Interrupted as interrupted:
            process.send_signal(interrupted.args[0])
            process.wait()
            raise


def _without(argv: list[str], options: tuple[str, ...]) -> list[str]:
    """Return ``argv`` without these options and their values."""
    kept, skip = [], False
    for word in argv:
        if skip:
            skip = False
        elif word in options:
            skip = True
        elif word.split("=")[0] not in options:
            kept.append(word)
    return kept
