"""Enhance one recording into one file with a model that is loaded."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from espnet_codecse.errors import UserError
from espnet_codecse.inference.abs_enhancer import AbsEnhancer
from espnet_codecse.recording.find import Recording
from espnet_codecse.recording.formats import CHOICES
from espnet_codecse.recording.job import Options
from espnet_codecse.recording.make_jobs import make_job
from espnet_codecse.recording.processors import WaveformProcessor


def enhance_recording(
    enhancer: AbsEnhancer,
    source: Path,
    target: Path,
    mono: bool = False,
    mix: float = 1.0,
    full_band: bool = True,
    count: Callable[[float], None] = lambda seconds: None,
) -> list[Path]:
    """Enhance a recording as ``codecse enhance`` does, and return the files that were written.

    Args:
        enhancer: the system.
        source: recording in any format that libsndfile reads.
        target: file to write; its suffix chooses the format.
        mono: average the channels.
        mix: share of the enhanced signal in the output, 0 to 1.
        full_band: keep the band above that of a system at 16 kHz, filtered.
        count: called with the seconds of audio just processed.

    Raises:
        UserError: the recording is not readable, or the format is unknown or cannot hold it.
    """
    if target.resolve() == source.resolve():
        raise UserError(f"{target}: is the recording itself; name another file")
    options = Options(mono=mono, mix=mix, full_band=full_band)
    choice = None
    if target.suffix.lower() != source.suffix.lower():
        choice = next((name for name, (_, suffix) in CHOICES.items() if suffix == target.suffix.lower()), None)
        if choice is None:
            raise UserError(f"{target}: no format has this suffix; known: {', '.join(CHOICES)}")
    job = make_job(Recording(source, Path(target.name)), target.parent, options, choice, False, enhancer.num_spk)
    outputs = (target,) if enhancer.num_spk == 1 else job.outputs
    if job.form is not None and job.form.is_fallback:
        raise UserError(f"{target}: libsndfile writes no such file; name a .wav or .flac")
    target.parent.mkdir(parents=True, exist_ok=True)
    WaveformProcessor(enhancer, options, count).enhance_alone(replace(job, outputs=outputs))
    return list(outputs)
