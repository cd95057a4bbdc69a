"""Data passed to worker processes and returned by them."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from espnet_codecse.errors import UserError
from espnet_codecse.identity import file_state
from espnet_codecse.recording.carried import Carried
from espnet_codecse.recording.formats import AudioFormat


@dataclass(frozen=True)
class Options:
    """How to process every recording.

    Attributes:
        source, target: ``wave`` or ``codes``.
        model: argument of ``find_model``; None: the codec alone.
        codec: value of ``--codec``; None: the model's codec, or the one that the codes name.
        device, dtype: see ``load_enhancer``.
        mono: average the channels.
        mix: share of the estimate in the output, 0 to 1.
        segment_seconds: longest segment that is enhanced at once.
        model_options: ``(name, value)`` for the model's enhancer.
        num_codebooks: codes to write per frame; None: as many as the input has, or all of the codec's.
        listen: notice what users should know about the recordings.
        full_band: keep the band above that of the system, filtered; see :mod:`espnet_codecse.high_band`.
    """

    source: str = "wave"
    target: str = "wave"
    model: str | None = None
    codec: str | None = None
    device: str = "auto"
    dtype: str = "auto"
    mono: bool = False
    mix: float = 1.0
    segment_seconds: float = 30.0
    model_options: tuple[tuple[str, Any], ...] = ()
    num_codebooks: int | None = None
    listen: bool = False
    full_band: bool = True


@dataclass(frozen=True)
class Job:
    """One recording.

    Attributes:
        recording: file to read.
        outputs: one file per speaker.
        residual: file for the input minus the outputs, or None.
        form: format of waveforms; None if codes are written.
        seconds: length.
        num_channels: channels of the recording, 1 with ``mono``.
        carried: what the outputs take over besides the sound.
        state: of the file when its header was read; see :func:`espnet_codecse.identity.file_state`.
    """

    recording: Path
    outputs: tuple[Path, ...]
    residual: Path | None
    form: AudioFormat | None
    seconds: float
    num_channels: int
    carried: Carried = Carried()
    state: str = ""

    def outcome(self, **results: Any) -> "Outcome":
        """Return the outcome with ``results``, attributes of :class:`Outcome`."""
        return Outcome(self.recording, self.seconds, **results)

    def check_unchanged(self) -> None:
        """Check that the recording is the file whose header was read.

        Raises:
            UserError: it was replaced or written to; what was made of it is of no use.
        """
        if self.state and _state_now(self.recording) != self.state:
            raise UserError(f"{self.recording}: was changed while it was read; run the same command again")

    @property
    def files(self) -> list[Path]:
        """All files that the job writes."""
        return [*self.outputs, *([] if self.residual is None else [self.residual])]


def _state_now(path: Path) -> str:
    try:
        return file_state(path)
    except OSError:  # removed
        return ""


@dataclass
class Outcome:
    """Result of one recording.

    Attributes:
        recording: path of the recording.
        seconds: length, not multiplied by the number of channels.
        error: the reason if it failed, else None.
        num_limited: samples beyond full scale that were turned down.
        notices: see :class:`espnet_codecse.recording.listener.Listener`.
    """

    recording: Path
    seconds: float
    error: str | None = None
    num_limited: int = 0
    notices: tuple[str, ...] = ()


@dataclass
class Report:
    """Results and cost of a unit of work.

    Attributes:
        outcomes: results of its recordings.
        load_seconds: time spent on loading the model.
        network_seconds: time spent in the network.
        peak_memory: peak memory of this process so far, bytes.
        num_processes: number of processes used.
    """

    outcomes: list[Outcome] = field(default_factory=list)
    load_seconds: float = 0.0
    network_seconds: float = 0.0
    peak_memory: int = 0
    num_processes: int = 1
