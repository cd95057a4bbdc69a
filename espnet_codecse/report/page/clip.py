"""Files of one utterance on the page: audio in a script file, images, and their description.

A page that is opened as a file may not read other files, but it may load scripts. The audio is therefore stored in a
script, as FLAC in base64, which is loaded when it is first played. All versions are then in memory and play from one
clock.
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
from espnet_codecse.fileio import make_folder
from espnet_codecse.identity import file_state
from espnet_codecse.metrics.score import best_permutation
from espnet_codecse.report.page.versions import CLEAN, Version
from espnet_codecse.report.spectrogram import HOP_SECONDS, level_db

RANGE_DB = 70.0
LARGEST_WIDTH = 1000  # columns of an image
NUM_PEAKS = 500  # per waveform
_FORMAT = 1  # version of the file format; a change makes all clips again


class _Sound(NamedTuple):
    """A version for one speaker (0: for all speakers); ``samples (num_samples,)`` at ``rate`` Hz."""

    version: int
    speaker: int
    samples: np.ndarray
    rate: int


def clip_name(test_set: str, utterance: str, versions: Sequence[Version], seconds: float) -> str:
    """Return the name of the clip's folder, which changes with any of its files."""
    files = [[version.label, [_state(path) for path in version.paths]] for version in versions]
    text = json.dumps([_FORMAT, test_set, utterance, seconds, files])
    readable = re.sub(r"[^A-Za-z0-9._-]", "_", f"{test_set}_{utterance}" if test_set else utterance)[:80]
    return f"{readable.lstrip('.')}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def _state(path: str) -> list[str]:
    return [str(Path(path).resolve()), file_state(path)]


def make_clip(folder: Path, versions: Sequence[Version], seconds: float) -> None:
    """Write the clip's folder with ``audio.js``, ``<n>.webp`` and ``clip.json``; it appears when it is complete.

    Args:
        folder: folder named by :func:`clip_name`.
        versions: versions of the utterance.
        seconds: longer recordings are cut to this length.

    Raises:
        UserError: an audio file is unreadable or empty.
    """
    sounds = _read(versions, seconds)
    make_folder(folder.parent)
    with tempfile.TemporaryDirectory(prefix=".part-", dir=folder.parent) as temporary:
        part = Path(temporary) / folder.name
        part.mkdir()
        described = _describe(sounds)
        _draw(part, sounds)
        _write_audio(part, folder.name, sounds)
        (part / "clip.json").write_text(json.dumps(described), encoding="utf-8")
        if folder.exists():
            shutil.rmtree(folder)  # an existing folder is incomplete, or it would have been kept
        os.rename(part, folder)


def read_clip(folder: Path) -> dict[str, Any]:
    """Return ``{"seconds", "rate" (Hz), "sounds": [{"version", "speaker", "peaks", "rms"}]}``; empty if incomplete."""
    try:
        return json.loads((folder / "clip.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _read(versions: Sequence[Version], seconds: float) -> list[_Sound]:
    """Read all versions; outputs of several speakers are ordered as their references."""
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
    """Return the smallest and largest value of each of ``count`` parts, as signed bytes in base64."""
    edges = np.linspace(0, len(samples), max(1, min(count, len(samples))) + 1).astype(int)[:-1]
    pairs = np.stack([np.minimum.reduceat(samples, edges), np.maximum.reduceat(samples, edges)], axis=1)
    return base64.b64encode(np.round(127 * pairs).astype(np.int8).tobytes()).decode()


def _draw(folder: Path, sounds: Sequence[_Sound]) -> None:
    """Draw spectrograms with one frequency and one level scale, down to :data:`RANGE_DB` below the largest level."""
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


def audio_script(name: str, encoded: Sequence[bytes]) -> str:
    """Return the script that hands the sounds of the clip ``name`` to the player, as files of any format."""
    texts = [base64.b64encode(content).decode() for content in encoded]
    return f"receiveSound({json.dumps(name)}, {json.dumps(texts)});\n"


def _write_audio(folder: Path, name: str, sounds: Sequence[_Sound]) -> None:
    encoded = []
    for sound in sounds:
        write_audio(folder / "sound.flac", np.clip(sound.samples, -1, 1), sound.rate)
        encoded.append((folder / "sound.flac").read_bytes())
    (folder / "sound.flac").unlink()
    (folder / "audio.js").write_text(audio_script(name, encoded), encoding="ascii")
