"""The contract of a back end that runs the parts of a stage."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Part:
    """One part of a stage: what ``JOB=i`` stands for.

    Attributes:
        index: the number that replaced ``JOB`` (counts from the first number of the range).
        log: the part's log file.
        command: the arguments after replacement; shell operators such as ``|`` stand alone.
    """

    index: int
    log: Path
    command: tuple[str, ...]


@dataclass(frozen=True)
class Resources:
    """What a part may use; a back end takes what it knows and ignores the rest.

    Attributes:
        gpu: GPUs per part (0: none asked for, the environment stays as it is).
        max_jobs_run: parts at once; 0 lets the back end decide.
        other: all ``--name value`` options as given (``mem``, ``num_threads``, ``time``, ...).
    """

    gpu: int
    max_jobs_run: int
    other: dict[str, str]


class AbsBackend(ABC):
    """Runs parts somewhere and reports the exit status of each."""

    @abstractmethod
    def run(self, parts: list[Part], resources: Resources) -> dict[int, int]:
        """Run all parts, also after one has failed.

        Each log begins with host, command and start time and ends with status and seconds. A part that
        ended with status 0 leaves its marker (see ``espnet_codecse.job.marker``).

        Returns:
            ``{part index: exit status}``.

        Raises:
            KeyboardInterrupt: the runner was told to stop; every started process has been stopped.
        """

    @abstractmethod
    def default_nj(self, mem_per_job: float) -> int:
        """Parts to make of a stage where the user gave no number; a part takes ``mem_per_job`` GB."""
