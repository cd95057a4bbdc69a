"""Cost of lists of many utterances: time and memory of reading, batching and shuffling them."""

import multiprocessing
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from espnet_codecse.benchmark.timing import peak_memory, start_peak
from espnet_codecse.report.environment import environment_lines

BATCH_SIZE = 16


def lists_report(nums_entries: Sequence[int], folder: Path | None) -> str:
    """Generate lists in a temporary folder below ``folder``, measure each use of them, and return a table."""
    command = f"codecse benchmark lists --num_entries {' '.join(map(str, nums_entries))}"
    lines = [f"<!-- {command} -->", "# Cost of long lists", "", *environment_lines(), ""]
    lines += ["|entries|MB of a list|work|s|memory, MB|", "|---|---|---|---|---|"]
    for num_entries in nums_entries:
        with tempfile.TemporaryDirectory(dir=folder) as temporary:
            scp, shapes = _write_lists(Path(temporary), num_entries)
            size = scp.stat().st_size / 1e6
            for work, (function, path) in WORK.items():
                seconds, num_bytes = _alone(function, str(scp if path == "scp" else shapes))
                lines.append(f"|{num_entries}|{size:.0f}|{work}|{seconds:.1f}|{num_bytes / 1e6:.0f}|")
    lines += ["", "Memory: largest of a process that does this work alone, less that before."]
    return "\n".join(lines)


def _write_lists(folder: Path, num_entries: int) -> tuple[Path, Path]:
    """Write a list of places in arks, as ``codecse extract`` does, and the numbers of frames."""
    scp, shapes = folder / "emb_mix.scp", folder / "utt2num_frames"
    with open(scp, "w") as places, open(shapes, "w") as lengths:
        for number in range(num_entries):
            key = f"speaker{number % 10_000:05}-utterance{number:09}"
            places.write(
                f"{key} /data/dump/codec/dac_16khz_continuous/train/parts/emb_mix.{number // 75}.ark:{number}\n"
            )
            lengths.write(f"{key} {100 + number % 400}\n")
    return scp, shapes


def _alone(function: Callable[[str], Any], path: str) -> tuple[float, int]:
    """Return seconds and bytes of ``function(path)`` in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_measured, function, path).result()


def _measured(function: Callable[[str], Any], path: str) -> tuple[float, int]:
    function("")  # imports
    before = start_peak("cpu")
    started = perf_counter()
    function(path)
    return perf_counter() - started, peak_memory("cpu") - before


def _read(path: str) -> Any:
    from espnet_codecse.fileio import read_scp

    return read_scp(path) if path else None


def _read_by_espnet(path: str) -> Any:
    from espnet2.fileio.read_text import read_2columns_text

    return read_2columns_text(path) if path else None


def _batch(path: str) -> Any:
    from espnet2.samplers.unsorted_batch_sampler import UnsortedBatchSampler

    return UnsortedBatchSampler(BATCH_SIZE, path) if path else None


def _shuffle(path: str) -> Any:
    sampler = _batch(path)
    if sampler is not None:
        np.random.RandomState(0).shuffle(list(sampler))


WORK: dict[str, tuple[Callable[[str], Any], str]] = {
    "read and check": (_read, "scp"),
    "read by ESPnet's data set": (_read_by_espnet, "scp"),
    "batches": (_batch, "shapes"),
    "batches, shuffled for an epoch": (_shuffle, "shapes"),
}
