"""Commands that divide their work themselves, run as the parts of a job runner: ``--cmd`` and ``--part``."""

import argparse
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

from espnet_codecse.errors import UserError
from espnet_codecse.job.interrupt import Interrupted, signals_as_exception

Share = tuple[int, int]  # (k, n): the k-th of n shares of the work, from 1
Submit = Callable[[int], None]  # called with the largest useful number of shares; returns when all have ended
INDEX = "CODECSE_PART"  # replaced by the runner; nobody has it in a path


def parse_share(text: str) -> Share:
    """Turn ``k/n`` into numbers; argparse names the option where that fails."""
    part, num_parts = (int(number) for number in text.split("/"))
    if not 1 <= part <= num_parts:
        raise ValueError
    return part, num_parts


def add_job_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--cmd`` and ``--part`` to a command that has ``--nj``."""
    parser.add_argument(
        "--cmd",
        default="",
        help="a runner such as '${train_cmd}': the nj parts run as its jobs, logs beside the output",
    )
    parser.add_argument(
        "--part", type=parse_share, help="k/n: do the k-th of n parts and leave the lists to the call without --part"
    )


def submitter(command: str, args: argparse.Namespace, argv: list[str], log_dir: Path, nj: int) -> Submit | None:
    """Return what runs the parts of this very call as jobs; None where no ``--cmd`` was given.

    Args:
        command: of ``codecse``.
        args, argv: its options, parsed and as given.
        log_dir: gets ``<command>.<part>.log``.
        nj: parts at most.
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
            raise UserError(f"{log_dir}: not all parts ended well; see the logs there, and run the same command again")
        # What is done is told by the command's own files; a marker would hide that its input has changed since.
        for part in range(1, num_parts + 1):
            (log_dir / f"{command}.{part}.log.done").unlink(missing_ok=True)

    return submit


def _run_to_the_end(command: list[str]) -> int:
    """Run the runner; a signal for this process goes to it, and it gets the time to stop its jobs."""
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
