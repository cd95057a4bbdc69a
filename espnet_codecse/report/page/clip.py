"""One utterance of the page on disk: sound in a script file, pictures, and what the page has to know of them.

A page that is opened as a file may not read other files, but it may load scripts: the sound lies in one, as FLAC in
base64, and is loaded when it is first played. All versions are then in memory and play from one clock.
"""

import base64
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from espnet_codecse.audio import read_audio, resample, write_audio
from espnet_codecse.errors import UserError
from espnet_codecse.metrics.score import best_permutation
from espnet_codecse.report.page.versions import CLEAN, Version
from espnet_codecse.report.spectrogram import HOP_SECONDS, level_db

RANGE_DB = 70.0
LARGEST_WIDTH = 1000  # columns of a picture
NUM_PEAKS = 500  # of a waveform
_FORMAT = 1  # of the files; another one makes all of them anew


class _Sound(NamedTuple):
    """A version for one speaker (0: for all of them); ``samples (num_samples,)`` at ``rate`` Hz."""

    version: int
    speaker: int
    samples: np.ndarray
    rate: int


def clip_name(test_set: str, utterance: str, versions: Sequence[Version], seconds: float) -> str:
    """Name of the clip's folder, which changes when any of its files does."""
    files = [[version.label, [_state(path) for path in version.paths]] for version in versions]
    text = json.dumps([_FORMAT, test_set, utterance, seconds, files])
    readable = re.sub(r"[^A-Za-z0-9._-]", "_", f"{test_set}_{utterance}" if test_set else utterance)[:80]
    return f"{readable.lstrip('.')}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def _state(path: str) -> list[Any]:
    status = os.stat(path)
    return [str(Path(path).resolve()), status.st_size, status.st_mtime_ns]


def make_clip(folder: Path, versions: Sequence[Version], seconds: float) -> None:
    """Write the clip's folder: ``audio.js``, ``<n>.webp`` and ``clip.json``; it appears when it is complete.

    Args:
        folder: what :func:`clip_name` named.
        versions: of the utterance.
        seconds: longer recordings are cut to this length.

    Raises:
        UserError: audio that cannot be read, or an empty one.
    """
    sounds = _read(versions, seconds)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".part-", dir=folder.parent) as temporary:
        part = Path(temporary) / folder.name
        part.mkdir()
        described = _describe(sounds)
        _draw(part, sounds)
        _write_audio(part, folder.name, sounds)
        (part / "clip.json").write_text(json.dumps(described), encoding="utf-8")
        if folder.exists():
            shutil.rmtree(folder)  # incomplete, or it would not be made
        os.rename(part, folder)


def read_clip(folder: Path) -> dict[str, Any]:
    """Return ``{"seconds", "rate" (Hz), "sounds": [{"version", "speaker", "peaks", "rms"}]}``; empty if incomplete."""
    try:
        return json.loads((folder / "clip.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _read(versions: Sequence[Version], seconds: float) -> list[_Sound]:
    """Read all versions; the outputs of several speakers are put into the order of their references."""
    read: list[tuple[list[np.ndarray], int]] = []
    for version in versions:
        signals = []
        for path in version.paths:
            samples, rate = read_audio(path)
            signals.append(np.nan_to_num(samples[: round(seconds * rate), 0]))
            if not len(signals[-1]):
                raise UserError(f"{path}: holds no samples; run the stage that wrote it again")
        read.append((signals, rate))
    references, reference_rate = read[-1] if versions[-1].label == CLEAN else ([], 0)
    sounds = []
    for index, (signals, rate) in enumerate(read):
        if len(signals) > 1 and len(signals) == len(references) and signals is not references:
            compared = [resample(signal, rate, reference_rate) for signal in signals]
            length = min(map(len, [*compared, *references]))
            order = best_permutation([each[:length] for each in references], [each[:length] for each in compared])
            signals = [signals[position] for position in order]
        for speaker, samples in enumerate(signals, 1):
            sounds.append(_Sound(index, speaker if len(signals) > 1 else 0, samples, rate))
    return sounds


def _describe(sounds: Sequence[_Sound]) -> dict[str, Any]:
    largest = max(1e-6, max(float(np.abs(sound.samples).max()) for sound in sounds))
    seconds = max(len(sound.samples) / sound.rate for sound in sounds)
    described = [
        {
            "version": sound.version,
            "speaker": sound.speaker,
            "peaks": _peaks(sound.samples / largest, round(NUM_PEAKS * len(sound.samples) / sound.rate / seconds)),
            "share": round(len(sound.samples) / sound.rate / seconds, 5),
            "rms": round(float(np.sqrt(np.mean(np.square(sound.samples, dtype=np.float64)))), 7),
        }
        for sound in sounds
    ]
    return {"seconds": round(seconds, 4), "rate": max(sound.rate for sound in sounds), "sounds": described}


def _peaks(samples: np.ndarray, count: int) -> str:
    """Smallest and largest value of each of ``count`` parts, as signed bytes in base64."""
    edges = np.linspace(0, len(samples), max(1, min(count, len(samples))) + 1).astype(int)[:-1]
    pairs = np.stack([np.minimum.reduceat(samples, edges), np.maximum.reduceat(samples, edges)], axis=1)
    return base64.b64encode(np.round(127 * pairs).astype(np.int8).tobytes()).decode()


def _draw(folder: Path, sounds: Sequence[_Sound]) -> None:
    """Spectrograms on one frequency and one level scale: :data:`RANGE_DB` below the largest level of all."""
    from matplotlib.image import imsave

    rate = max(sound.rate for sound in sounds)
    hop_seconds = max(HOP_SECONDS, max(len(sound.samples) / sound.rate for sound in sounds) / LARGEST_WIDTH)
    levels = [level_db(resample(sound.samples, sound.rate, rate), rate, hop_seconds) for sound in sounds]
    top = max(float(level.max()) for level in levels)
    for index, level in enumerate(levels):
        imsave(
            folder / f"{index}.webp",
            level,
            vmin=top - RANGE_DB,
            vmax=top,
            cmap="magma",
            origin="lower",
            format="webp",
            pil_kwargs={"quality": 70},
        )


def _write_audio(folder: Path, name: str, sounds: Sequence[_Sound]) -> None:
    encoded = []
    for sound in sounds:
        write_audio(folder / "sound.flac", np.clip(sound.samples, -1, 1), sound.rate)
        encoded.append(base64.b64encode((folder / "sound.flac").read_bytes()).decode())
    (folder / "sound.flac").unlink()
    text = f"receiveSound({json.dumps(name)}, {json.dumps(encoded)});\n"
    (folder / "audio.js").write_text(text, encoding="ascii")
