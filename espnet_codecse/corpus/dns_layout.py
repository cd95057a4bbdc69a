"""Folders and file names of the DNS-Challenge's editions: clean speech, noise, room responses, training and test sets.

The Interspeech-2020 edition (branch interspeech2020/master) has ``datasets/{clean,noise,test_set}``; later ones have
``datasets/impulse_responses`` too, and the full-band ones ``datasets_fullband/{clean_fullband,noise_fullband}``.
"""

import csv
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from espnet_codecse.corpus.convert import Source, folder_audio
from espnet_codecse.corpus.headers import read_headers
from espnet_codecse.corpus.location import corpus_root
from espnet_codecse.corpus.sources import SourceRecording, audio_files, safe_name
from espnet_codecse.errors import UserError

VARIABLE = "DNS"
_DATASETS = ("datasets", "datasets_fullband")
_CLEAN, _NOISE = ("clean", "clean_fullband"), ("noise", "noise_fullband")
CLEAN = (*(f"{top}/{name}" for top in _DATASETS for name in (*_CLEAN, "read_speech")), *_CLEAN)
NOISE = (*(f"{top}/{name}" for top in _DATASETS for name in _NOISE), *_NOISE)
ROOMS = (*(f"{top}/impulse_responses" for top in _DATASETS), "impulse_responses")
ROOM_TABLES = tuple(
    f"{top}/acoustic_params/{name}"
    for top in (*_DATASETS, ".")
    for name in ("RIR_table_simple.csv", "RIR_table_simple_48k.csv")
)
TRAINING = ("training", "datasets/training", "training_set", "datasets/training_set")
TESTS = ("datasets/test_set", "test_set")
# Published numbers of recordings of the Interspeech-2020 test set.
SYNTHETIC_TESTS = {"no_reverb": 150, "with_reverb": 150}
REAL_TEST, NUM_REAL = "real_recordings", 300


class Room(NamedTuple):
    """A room response: its file and the channel taken, from 0."""

    path: str
    channel: int


def find_folder(root: Path, choices: Sequence[str]) -> Path | None:
    """Return the first of ``choices`` that is a folder below ``root``."""
    return next((root / choice for choice in choices if (root / choice).is_dir()), None)


def needed_folder(root: Path, choices: Sequence[str]) -> Path:
    """Return the first of ``choices`` below ``root``.

    Raises:
        UserError: there is none; named are the variable, the root and the choices.
    """
    corpus_root(VARIABLE, ["|".join(choices)], root)
    folder = find_folder(root, choices)
    if folder is None:
        raise UserError(f"{VARIABLE}: {root / choices[0]}: not a folder; is it unpacked?")
    return folder


def by_fileid(folder: Path) -> dict[int, Source]:
    """Return ``{N: file}`` of the recordings ``..._fileid_N.wav`` in a folder.

    Raises:
        UserError: the folder is missing or empty, a name has no such number, or two have the same.
    """
    if not folder.is_dir():
        raise UserError(f"{VARIABLE}: {folder}: no such folder; is the corpus complete?")
    found: dict[int, Source] = {}
    for stem, source in folder_audio(folder).items():
        match = re.search(r"fileid_(\d+)$", stem)
        if match is None:
            raise UserError(f"{source.label}: its name does not end in fileid_<number>; move it elsewhere")
        number = int(match.group(1))
        if number in found:
            twice = f"{found[number].label}, {source.label}"
            raise UserError(f"{folder}: fileid {number} occurs twice ({twice}); remove one")
        found[number] = source
    if not found:
        raise UserError(f"{VARIABLE}: {folder}: holds no wav or flac file; is it unpacked?")
    return found


def paired_by_fileid(folder: Path, kinds: Sequence[str] = ("noisy", "clean")) -> dict[int, tuple[Source, ...]]:
    """Return ``{N: (noisy, clean, ...)}`` of ``folder/<kind>``.

    Raises:
        UserError: a folder is missing, or a file has no counterpart.
    """
    tables = [by_fileid(folder / kind) for kind in kinds]
    for kind, table in zip(kinds[1:], tables[1:]):
        for number in sorted(set(tables[0]) ^ set(table)):
            source = tables[0].get(number) or table[number]
            other = kind if number in tables[0] else kinds[0]
            raise UserError(f"{source.label}: has no counterpart in {folder / other}; copy it there or remove this one")
    return {number: tuple(table[number] for table in tables) for number in sorted(tables[0])}


def snr_of(path: str) -> int | None:
    """Return the SNR (dB) that the challenge's script writes into a name: ``..._snr-3_tl-21_fileid_158.wav``."""
    match = re.search(r"_snr(-?\d+)_", Path(path).name)
    return int(match.group(1)) if match else None


def speaker_of(path: Path, root: Path) -> str:
    """Return a reader's number (``reader_06709``), a VCTK speaker (``p226``), or the first folder below ``root``."""
    match = re.search(r"reader_\d+", path.stem) or re.match(r"p\d{3}(?=_)", path.stem)
    parts = path.relative_to(root).parts
    return match.group() if match else safe_name(parts[0] if len(parts) > 1 else path.stem)


def list_recordings(
    folder: Path, work_dir: Path, num_jobs: int
) -> tuple[list[SourceRecording], list[tuple[str, str, str]]]:
    """Read the headers of all recordings below ``folder``, in parallel.

    Returns:
        ``(recordings, (id, path, reason) of what cannot be used)``.

    Raises:
        UserError: none can be used.
    """
    files = audio_files(folder)
    headers = read_headers([str(path) for path in files], work_dir, num_jobs, f"headers of {folder}")
    recordings, rejected = [], []
    for path in files:
        num_samples, rate, reason = headers[str(path)]
        name = safe_name("-".join(path.relative_to(folder).with_suffix("").parts))
        if reason:
            rejected.append((name, str(path), reason))
        else:
            recordings.append(SourceRecording(name, speaker_of(path, folder), str(path), num_samples, rate))
    if not recordings:
        raise UserError(f"{folder}: none of its {len(files)} recordings is readable (first: {rejected[0][2]})")
    return recordings, rejected


def list_rooms(root: Path, choice: str, t60_range: tuple[float, float]) -> list[Room]:
    """Return the room responses to draw from; none when the edition has none.

    The challenge's table gives channel, reverberation time and kind of each; without it all files are taken.

    Args:
        root: the corpus.
        choice: ``real``, ``synthetic`` or ``both``.
        t60_range: seconds.

    Raises:
        UserError: there are responses, but none that fits; or a line of the table of another form.
    """
    folder = find_folder(root, ROOMS)
    if folder is None:
        return []
    table = next((root / name for name in ROOM_TABLES if (root / name).is_file()), None)
    if table is not None:
        rooms = list(_rooms_of_table(table, folder, choice, t60_range))
    else:
        # SLR28 holds noise beside the real responses.
        files = [path for path in audio_files(folder) if "noise" not in path.stem and "pointsource" not in str(path)]
        rooms = [Room(str(path), 0) for path in files if choice == "both" or choice == _kind(path)]
    if not rooms:
        raise UserError(f"{table or folder}: no room response that is {choice}, T60 in {t60_range} s; change --rooms")
    return rooms


def _kind(path: Path) -> str:
    return "real" if "real_rirs" in str(path) else "synthetic"


def _rooms_of_table(table: Path, folder: Path, choice: str, t60_range: tuple[float, float]) -> Iterable[Room]:
    # Its paths begin with the folder as it was where the table was made.
    with open(table, newline="", encoding="utf-8") as stream:
        for number, line in enumerate(csv.DictReader(stream), 2):
            try:
                path = line["wavfile"].replace("\\", "/").split("impulse_responses/")[-1]
                channel, t60 = int(line["channel"]) - 1, float(line["T60_WB"])
                kind = "real" if int(line["isRealRIR"]) else "synthetic"
            except (KeyError, TypeError, ValueError):
                raise UserError(f"{table}: line {number} is not 'wavfile,channel,T60_WB,C50_WB,isRealRIR'") from None
            if t60_range[0] <= t60 <= t60_range[1] and choice in ("both", kind) and (folder / path).is_file():
                yield Room(str(folder / path), channel)
