"""The log of finished scores, from which an interrupted or extended scoring resumes."""

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

from espnet_codecse.errors import UserError
from espnet_codecse.fileio import atomic_path

Scores = dict[str, list[float | None]]  # metric -> value per speaker; None stands for nan


class ScoreLog:
    """One JSON line per utterance and set of metrics: ``{"id", "signature", "scores": {metric: [per speaker]}}``.

    Lines are appended and flushed one by one, so a killed process loses at most the line that it was writing. Scores of
    files that have changed, as their signature shows, are not used.
    """

    def __init__(
        self, path: Path, signatures: dict[str, str], others: Sequence[Path] = (), num_speakers: int = 1
    ) -> None:
        """Read the valid scores and rewrite the log with them.

        Args:
            path: the log.
            signatures: ``{utterance id: signature}`` of the current files.
            others: further logs, whose scores are copied to this one.
            num_speakers: values per metric; lines with another number are damaged.

        Raises:
            UserError: a log cannot be read or written.
        """
        self.path = path
        self.signatures = signatures
        self.scores: dict[str, Scores] = {}
        self.num_outdated = 0
        self.num_damaged = 0
        self._stream: TextIO | None = None
        outdated = set()
        for line in _lines([*others, path]):
            try:
                utterance, signature, scores = _parse(line, num_speakers)
            except (ValueError, KeyError, TypeError, RecursionError):
                self.num_damaged += 1  # such as the line that a killed process was writing
                continue
            if signatures.get(utterance) == signature:
                self.scores.setdefault(utterance, {}).update(scores)
            else:
                outdated.add(utterance)
        self.num_outdated = len(outdated)
        with atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8") as stream:
            for utterance, scores in self.scores.items():
                stream.write(self._line(utterance, scores))

    def _line(self, utterance: str, scores: Scores) -> str:
        entry = {"id": utterance, "signature": self.signatures[utterance], "scores": scores}
        return json.dumps(entry, ensure_ascii=False) + "\n"

    def missing(self, utterance: str, metrics: list[str]) -> list[str]:
        """Return those of ``metrics`` that have no valid score yet."""
        return [metric for metric in metrics if metric not in self.scores.get(utterance, {})]

    def add(self, utterance: str, scores: Scores) -> None:
        """Append the scores of one utterance.

        Raises:
            UserError: the disk is full.
        """
        self.scores.setdefault(utterance, {}).update(scores)
        try:
            if self._stream is None:
                self._stream = open(self.path, "a", encoding="utf-8")  # noqa: SIM115 - closed by close()
            self._stream.write(self._line(utterance, scores))
            self._stream.flush()
        except OSError as error:
            reason = error.strerror or error
            raise UserError(f"{self.path}: cannot be written ({reason}); free some space and run again") from error

    def close(self) -> None:
        """Close the file."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None


def _lines(files: Sequence[Path]) -> Iterator[bytes]:
    for file in files:
        try:
            content = file.read_bytes() if file.exists() else b""
        except OSError as error:
            reason = error.strerror or error
            raise UserError(f"{file}: cannot be read ({reason}); change its permissions or remove it") from None
        # As bytes, so that damage to one line is not damage to the whole file.
        yield from filter(None, content.split(b"\n"))


def _parse(line: bytes, num_speakers: int) -> tuple[str, str, Scores]:
    entry = json.loads(line.decode("utf-8"))
    utterance, signature, scores = entry["id"], entry["signature"], entry["scores"]
    if not isinstance(utterance, str) or not isinstance(scores, dict):
        raise ValueError("not a line of this log")
    "".join(scores).encode()  # json accepts half of a surrogate pair, which cannot be written
    for values in scores.values():
        if not isinstance(values, list) or len(values) != num_speakers:
            raise ValueError("not one value per speaker")
        if not all(value is None or (type(value) in (int, float) and abs(value) < math.inf) for value in values):
            raise ValueError("not a number")
    return utterance, signature, scores
