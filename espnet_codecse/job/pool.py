"""A process pool whose workers die with their parent, for parallel work inside one command."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait as wait_for
from typing import Any

from espnet_codecse.errors import UserError

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def _die_with(sentinel: int) -> None:
    wait_for([sentinel])
    os._exit(1)


def _start_worker(initializer: Callable | None, initargs: tuple) -> None:
    # If the parent is killed with SIGKILL, a worker would wait for work forever, so it watches the parent.
    if (parent := multiprocessing.parent_process()) is not None:
        threading.Thread(target=_die_with, args=(parent.sentinel,), daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent stops the workers
    if initializer is not None:
        initializer(*initargs)


def map_unordered(
    function: Callable[[Any], Any],
    items: Iterable[Any],
    nj: int,
    threads: int = 1,
    initializer: Callable | None = None,
    initargs: tuple = (),
) -> Iterator[Any]:
    """Yield ``function(item)`` in the order of completion; at most two items per worker are pending at once.

    Args:
        function: a function at module level (it is sent by name).
        items: items to process; consumed one by one, so this may be a long generator.
        nj: worker processes; 1: work in this process.
        threads: value of OMP_NUM_THREADS and similar variables in the workers.
        initializer: called once per worker with ``initargs`` (also if ``nj`` is 1).
        initargs: its arguments.

    Raises:
        UserError: a worker died, usually because memory ran out.
    """
    if nj <= 1:
        if initializer is not None:
            initializer(*initargs)
        for item in items:
            yield function(item)
        return
    saved = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update({name: str(threads) for name in THREAD_VARIABLES})  # read by the libraries at import
    context = multiprocessing.get_context("spawn")  # fork is not safe once torch has started threads
    pool = ProcessPoolExecutor(nj, mp_context=context, initializer=_start_worker, initargs=(initializer, initargs))
    try:
        pending: set[Future] = set()
        iterator = iter(items)
        while True:
            while len(pending) < 2 * nj:
                try:
                    pending.add(pool.submit(function, next(iterator)))
                except StopIteration:
                    break
            if not pending:
                break
            finished, pending = wait(pending, return_when=FIRST_COMPLETED)
            for future in finished:
                yield future.result()
    except KeyboardInterrupt:
        for process in list(pool._processes.values()):  # waiting for long items would look like a hang
            process.terminate()
        raise
    except BrokenProcessPool:
        raise UserError("a worker process died (out of memory?); run again with a smaller --nj to resume") from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        for name, value in saved.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
