"""Work in parts: a process pool, one result file a part, progress on stderr.

A part that is complete leaves its result in ``<work_dir>/<part>.json``, written atomically and last; a run that was
killed at any moment does only the missing parts when it is started again.
"""

import json
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from espnet_codecse.fileio import atomic_path, read_marker
from espnet_codecse.job.array import Share, Submit
from espnet_codecse.job.pool import map_unordered
from espnet_codecse.progress import Progress


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as JSON, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(value), encoding="utf-8")


def read_done(path: Path) -> dict[str, str]:
    """Return ``{"key", "summary"}`` of a marker; empty if it is missing or damaged, so that the work is done again."""
    try:
        document = json.loads(read_marker(path))
        return {name: str(document[name]) for name in ("key", "summary")}
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}


def _read_result(path: Path, num_items: int) -> list[Any] | None:
    """Return the values of a part that an earlier run completed, else None."""
    try:
        values = json.loads(read_marker(path))
    except (ValueError, RecursionError):
        return None
    return values if isinstance(values, list) and len(values) == num_items else None


def _run_part(function: Callable[[Any], Any], part: tuple[int, Sequence[Any], Path]) -> tuple[int, list[Any]]:
    """Return the part's number and values, which are written before."""
    number, items, result = part
    values = [function(item) for item in items]
    write_json(result, values)
    return number, values


def run_parts(
    function: Callable[[Any], Any],
    items: Sequence[Any],
    work_dir: Path,
    num_jobs: int,
    description: str,
    part_size: int = 32,
    share: Share = (1, 1),
    submit: Submit | None = None,
) -> list[Any]:
    """Apply ``function`` to every item and return the values in order; parts done by an earlier run are kept.

    Args:
        function: a top-level function (it is pickled) of one item, with a JSON-serialisable value.
        items: picklable items; the same ones in the same order as in the run that is resumed.
        work_dir: folder of the part results; the caller names it after everything that the values depend on.
        num_jobs: processes; 1 works in this process.
        description: what the progress is called.
        part_size: items a part.
        share: ``(k, n)`` does the k-th of n shares of the parts only; the values of the others are left out.
        submit: runs all shares as jobs; what they leave undone is done here.

    Raises:
        UserError: raised by ``function``, or a worker was killed.
    """
    starts = list(range(0, len(items), part_size))
    values: list[list[Any] | None] = [None] * len(starts)
    missing = []
    for part, start in enumerate(starts):
        result = work_dir / f"{part}.json"
        values[part] = _read_result(result, len(items[start : start + part_size]))
        if values[part] is None and part % share[1] == share[0] - 1:
            missing.append((part, list(items[start : start + part_size]), result))
    if missing and submit is not None:
        submit(len(starts))
        return run_parts(function, items, work_dir, num_jobs, description, part_size)
    done = sum(len(value) for value in values if value is not None)
    if done:
        print(f"{description}: {done} of {len(items)} were done by an earlier run", file=sys.stderr)
    progress = Progress(len(items), description, done)
    try:
        for part, done_values in map_unordered(partial(_run_part, function), missing, min(num_jobs, len(missing))):
            values[part] = done_values
            progress.update(len(done_values))
    finally:
        progress.close()
    return [value for part in values for value in part or []]
