"""The contract of a back end that runs the parts of a stage."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Part:
    """One part of a stage, ``JOB=i``.

    Attributes:
        index: the number that replaces ``JOB`` (counts from the first number of the range).
        log: log file of the part.
        command: arguments after the replacement; shell operators such as ``|`` are separate arguments.
    """

    index: int
    log: Path
    command: tuple[str, ...]


@dataclass(frozen=True)
class Resources:
    """Resources of a part; a back end ignores those that it does not know.

    Attributes:
        gpu: GPUs per part (0: none requested, the environment is not changed).
        max_jobs_run: number of parts at once; 0: chosen by the back end.
        other: all ``--name value`` options as given (``mem``, ``num_threads``, ``time``, ...).
    """

    gpu: int
    max_jobs_run: int
    other: dict[str, str]


class AbsBackend(ABC):
    """Runs parts somewhere and reports the exit status of each."""

    @abstractmethod
    def run(self, parts: list[Part], resources: Resources) -> dict[int, int]:
        """Run all parts, even after one has failed.

        Each log begins with host, command and start time and ends with status and seconds. A part that ends with
        status 0 leaves its marker (see ``espnet_codecse.job.marker``).

        Returns:
            ``{part index: exit status}``.

        Raises:
            KeyboardInterrupt: the runner was interrupted, and has stopped every process that it started.
        """

    @abstractmethod
    def default_nj(self, mem_per_job: float) -> int:
        """Return the default number of parts of a stage, each of which needs ``mem_per_job`` GB."""
