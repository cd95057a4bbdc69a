"""Kaldi's ``segments``: utterances that are stretches of longer recordings.

Each line is ``<utterance> <recording> <start> <end>``, times in seconds; an end of -1 is the end of the recording. In a
directory with this file the ``*.scp`` tables are keyed by recording, and all others by utterance.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, TypeVar

from espnet_codecse.errors import UserError
from espnet_codecse.fileio import PathLike, check_id, read_scp

NAME = "segments"
TO_END = -1.0
MAX_OVERSHOOT = 0.5  # seconds behind the end of the recording, as in Kaldi's extract-segments
Value = TypeVar("Value")


class Segment(NamedTuple):
    """A stretch of a recording, in seconds; ``end`` is TO_END for the end of the recording."""

    recording: str
    start: float
    end: float

    def samples(self, num_samples: int, rate: int) -> tuple[int, int]:
        """Return ``(first sample, number of samples)`` in a recording of ``num_samples`` at ``rate`` Hz.

        Raises:
            ValueError: the recording is too short; the message is the reason.
        """
        length = num_samples / rate
        if self.start >= length:
            raise ValueError(f"the segment begins at {self.start:g} s, the recording has {length:.2f} s")
        if self.end > length + MAX_OVERSHOOT:
            raise ValueError(f"the segment ends at {self.end:g} s, the recording has {length:.2f} s")
        first = round(self.start * rate)
        last = num_samples if self.end == TO_END else min(num_samples, round(self.end * rate))
        return first, last - first


def read_segments(folder: PathLike) -> dict[str, Segment] | None:
    """Return ``{utterance: segment}`` of a data directory in the order of its lines; None if it has no segments.

    Raises:
        UserError: the file cannot be read, a line is malformed or has impossible times, or an id occurs twice.
    """
    path = Path(folder) / NAME
    if not path.is_file():
        return None
    return {utterance: _parse(value, utterance, path) for utterance, value in read_scp(path).items()}


def _parse(value: str, utterance: str, path: Path) -> Segment:
    fields = value.split()
    try:
        recording, start, end = fields[0], *map(float, fields[1:])
    except ValueError:
        raise UserError(
            f"{path}: '{utterance}': not a line 'utterance recording start end', times in seconds"
        ) from None
    check_id(recording, str(path))
    if not (0 <= start < float("inf")) or not (end == TO_END or start < end < float("inf")):
        raise UserError(
            f"{path}: '{utterance}': from {start:g} to {end:g} s is not a stretch of time; correct the line"
        )
    return Segment(recording, start, end)


def by_utterance(table: Mapping[str, Value], segments: Mapping[str, Segment]) -> dict[str, Value]:
    """Return a table that is keyed by recording with the utterances as keys; those without recording are left out."""
    return {key: table[item.recording] for key, item in segments.items() if item.recording in table}
