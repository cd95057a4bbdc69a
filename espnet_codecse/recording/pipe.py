"""``-``: process a recording from standard input to standard output."""

import contextlib
import multiprocessing
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from espnet_codecse.errors import UserError
from espnet_codecse.recording.find import Recording
from espnet_codecse.recording.make_jobs import make_job
from espnet_codecse.recording.session import Session
from espnet_codecse.recording.work import Worker

NAME = "standard input"


def run_pipe(session: Session) -> int:
    """Read one recording from standard input and write its result to standard output.

    Both go through temporary files in ``$TMPDIR``, because the header must give the length and most formats need
    seeking. Only the result goes to standard output.

    Raises:
        UserError: the input is not readable, standard output is a terminal, or there would be several outputs.
    """
    if sys.stdout.isatty():
        raise UserError("-: standard output is a terminal; redirect it: codecse ... - < in.wav > out.wav")
    if session.residual or session.num_speakers > 1:
        raise UserError("-: allows one output only; residuals and several speakers need files and --output_dir")
    with reserved_stdout() as output, tempfile.TemporaryDirectory(prefix="codecse.") as temporary:
        source = Path(temporary) / NAME
        with open(source, "wb") as stream:
            shutil.copyfileobj(sys.stdin.buffer, stream, 1 << 20)
        try:
            job = make_job(
                Recording(source, Path(NAME)), Path(temporary) / "result", session.options, session.choice, False, 1
            )
            done = multiprocessing.get_context("spawn").Value("d", 0.0)
            outcome = Worker(session.options, done).run([job]).outcomes[0]
        except UserError as error:
            raise UserError(str(error).replace(str(source), NAME)) from None
        if outcome.error is not None:
            raise UserError(f"{NAME}: {outcome.error.replace(str(source), NAME)}")
        if not session.quiet:
            for notice in outcome.notices:
                print(f"{NAME}: {notice}", file=sys.stderr)
        try:
            with open(job.outputs[0], "rb") as stream:
                shutil.copyfileobj(stream, output, 1 << 20)
            output.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), output.fileno())  # the buffer is flushed at exit
            raise UserError("-: the reader of standard output has closed it") from None
    return 0


@contextlib.contextmanager
def reserved_stdout() -> Iterator[BinaryIO]:
    """Yield standard output as a byte stream, and redirect everything else printed there to standard error."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with os.fdopen(os.dup(kept), "wb") as stream:
            yield stream
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)
