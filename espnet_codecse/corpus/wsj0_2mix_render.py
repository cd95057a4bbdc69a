"""One mixture of WSJ0-2mix from two utterances, by the steps of the published create-speaker-mixtures."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from espnet_codecse.audio import resample, write_audio
from espnet_codecse.corpus.speech_level import active_level
from espnet_codecse.corpus.sphere import read_speech
from espnet_codecse.errors import UserError

# Table of the data directory -> folder of the tree.
NAMES = {"wav.scp": "mix", "spk1.scp": "s1", "spk2.scp": "s2"}
LEVEL_RATE = 8000  # Hz: at every rate, levels are those of the 8 kHz speech
PEAK = 0.9  # of the loudest of mixture and speakers


class Pair(NamedTuple):
    """A line of a mixing list: its number, and two utterances (``split/speaker/name``) with their levels in dB."""

    line: int
    first: str
    first_db: float
    second: str
    second_db: float


class RenderJob(NamedTuple):
    """A mixture: its name, the speakers' files and levels (dB), where it is written, Hz, and ``min`` or ``max``."""

    name: str
    files: tuple[str, str]
    levels: tuple[float, float]
    folder: str
    rate: int
    length: str


def mixture_name(pair: Pair) -> str:
    """Name of the mixture of a line, with five significant digits of the levels, as MATLAB's num2str gives them."""
    first, second = (key.rsplit("/", 1)[-1] for key in (pair.first, pair.second))
    return f"{first}_{pair.first_db:.5g}_{second}_{pair.second_db:.5g}"


def render(job: RenderJob) -> dict[str, Any]:
    """Write ``<folder>/{mix,s1,s2}/<name>.flac``; mixture = sum of both speakers.

    Each speaker is brought to an active level (P.56) of 0 dB and then to the list's level; the longer one is cut or the
    shorter one padded; one factor for all three gives the loudest its peak.

    Returns:
        ``{"reason": str or None, "path": str, "paths": {table: path}, "num_samples": int}``.
    """
    signals = []
    path = ""
    try:
        for path, level_db in zip(job.files, job.levels):
            speech, rate = read_speech(Path(path))
            power, _ = active_level(resample(speech, rate, LEVEL_RATE), LEVEL_RATE)
            signals.append(resample(speech, rate, job.rate) * (10.0 ** (level_db / 20.0) / np.sqrt(power)))
    except (UserError, ValueError) as error:
        return {"reason": str(error).replace(f"{path}: ", ""), "path": path, "paths": {}, "num_samples": 0}
    lengths = [len(signal) for signal in signals]
    if job.length == "min":
        signals = [signal[: min(lengths)] for signal in signals]
    else:
        signals = [np.pad(signal, (0, max(lengths) - len(signal))) for signal in signals]
    signals = [signals[0] + signals[1], *signals]
    gain = PEAK / max(float(np.abs(signal).max()) for signal in signals)
    paths = {name: str(Path(job.folder) / kind / f"{job.name}.flac") for name, kind in NAMES.items()}
    for target, signal in zip(paths.values(), signals):
        write_audio(target, gain * signal, job.rate)
    return {"reason": None, "path": "", "paths": paths, "num_samples": len(signals[0])}
