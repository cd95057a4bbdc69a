"""What is handed to a worker process and comes back from it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from espnet_codecse.recording.formats import AudioFormat


@dataclass(frozen=True)
class Options:
    """What is done with every recording.

    Attributes:
        source, target: ``wave`` or ``codes``.
        model: what ``find_model`` takes; None: through the codec alone.
        codec: what ``--codec`` was given; None: the model's, or the one that the codes name.
        device, dtype: see ``load_enhancer``.
        mono: average the channels.
        mix: share of the estimate in the output, 0 to 1.
        segment_seconds: longest piece that is enhanced at once.
        model_options: ``(name, value)`` for the model's enhancer.
        num_codebooks: codes written a frame; None: as many as the input has, or all of the codec's.
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


@dataclass(frozen=True)
class Job:
    """One recording.

    Attributes:
        recording: what is read.
        outputs: a file a speaker.
        residual: where the input minus the outputs goes, or None.
        form: how waveforms are written; None where codes are.
        seconds: length.
        num_channels: of the recording, 1 with ``mono``.
    """

    recording: Path
    outputs: tuple[Path, ...]
    residual: Path | None
    form: AudioFormat | None
    seconds: float
    num_channels: int

    @property
    def files(self) -> list[Path]:
        """All files that it writes."""
        return [*self.outputs, *([] if self.residual is None else [self.residual])]


@dataclass
class Outcome:
    """What became of a recording.

    Attributes:
        recording: its path.
        seconds: of audio, over all channels once.
        error: the reason, where it failed.
        num_clipped: samples cut at the format's range.
    """

    recording: Path
    seconds: float
    error: str | None = None
    num_clipped: int = 0


@dataclass
class Report:
    """What a unit of work took.

    Attributes:
        outcomes: of its recordings.
        load_seconds: spent on loading the model.
        network_seconds: spent in the network.
        peak_memory: bytes, the most that this process has held so far.
        num_processes: that worked.
    """

    outcomes: list[Outcome] = field(default_factory=list)
    load_seconds: float = 0.0
    network_seconds: float = 0.0
    peak_memory: int = 0
    num_processes: int = 1
