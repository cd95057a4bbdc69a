"""Headers of a corpus's recordings, read once and in parallel."""

from pathlib import Path
from typing import NamedTuple

from espnet_codecse.corpus.parallel import run_parts
from espnet_codecse.corpus.prepared_set import key_of
from espnet_codecse.corpus.recording import recording_info
from espnet_codecse.errors import UserError


class Header(NamedTuple):
    """Samples and rate (Hz) of a file, or the reason why it cannot be used."""

    num_samples: int
    rate: int
    reason: str = ""


def read_headers(paths: list[str], work_dir: Path, num_jobs: int, description: str) -> dict[str, Header]:
    """Return ``{path: header}``, read in parallel; what an earlier run read is kept."""
    values = run_parts(_header, paths, work_dir / f".headers_{key_of(paths)}", num_jobs, description, part_size=512)
    return {path: Header(*value) for path, value in zip(paths, values)}


def _header(path: str) -> Header:
    try:
        num_samples, rate, _ = recording_info(path)
    except UserError as error:
        return Header(0, 0, str(error).replace(f"{path}: ", ""))
    return Header(num_samples, rate)
