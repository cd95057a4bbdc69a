"""What the preparation of every corpus ends with: a data directory, its rejected.tsv and a line that sums it up."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from espnet_codecse.corpus.data_dir import write_data_dir
from espnet_codecse.errors import UserError
from espnet_codecse.fileio import atomic_path

Rejected = tuple[str, str, str]


def spread(items: Mapping[str, Any], count: int) -> dict[str, Any]:
    """Return ``count`` items spread evenly over all, sorted by key, so that all speakers occur; 0 for all."""
    keys = sorted(items)
    if count and count < len(keys):
        keys = [keys[number * len(keys) // count] for number in range(count)]
    return {key: items[key] for key in keys}


def key_of(arguments: Any) -> str:
    """Return a short hash of what files depend on; paths are taken as text."""
    return hashlib.sha256(json.dumps(arguments, default=str).encode()).hexdigest()[:8]


def write_prepared_set(
    path: Path, tables: Mapping[str, Mapping[str, Any]], rejected: Sequence[Rejected], unit: str = ""
) -> str:
    """Write a data directory with ``utt2fs`` (Hz) and ``utt2num_samples``, and what could not be used.

    Args:
        path: the directory.
        tables: its tables; ``utt2category`` follows from ``utt2fs``.
        rejected: ``(id, path, reason)``.
        unit: what a line of ``rejected`` is, for the sum, such as ``"files "``.

    Returns:
        A line with the numbers of utterances, hours and speakers.

    Raises:
        UserError: nothing can be used.
    """
    with atomic_path(path / "rejected.tsv") as temporary:
        rows = "".join("\t".join(row) + "\n" for row in sorted(rejected))
        temporary.write_text("id\tpath\treason\n" + rows, encoding="utf-8")
    count = len(tables["wav.scp"])
    if not count:
        reason = f" (first: {rejected[0][1]}: {rejected[0][2]})" if rejected else ""
        raise UserError(f"{path}: none of {len(rejected)} utterances is usable{reason}; see {path / 'rejected.tsv'}")
    categories = {key: f"1ch_{rate}Hz" for key, rate in tables["utt2fs"].items()}
    write_data_dir(path, {**tables, "utt2category": categories})
    hours = sum(tables["utt2num_samples"][key] / rate for key, rate in tables["utt2fs"].items()) / 3600
    line = f"{path}: {count} utterances, {hours:.2f} h, {len(set(tables['utt2spk'].values()))} speakers"
    return f"{line}; {len(rejected)} {unit}cannot be used, see {path / 'rejected.tsv'}" if rejected else line
