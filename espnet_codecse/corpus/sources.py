"""Clean speech and noise found in folders of recordings, divided into train, valid and test.

Either the folder has a given split, ``<split>/speech/<speaker>/...`` and ``<split>/noise/...``, which is used as it
is, or the speakers (folders) and the noise recordings are divided here, so that none occurs in two splits.
"""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from espnet_codecse.corpus.recording import recording_info
from espnet_codecse.errors import UserError

SPLITS = ("train", "valid", "test")
SUFFIXES = (".wav", ".flac", ".ogg", ".mp3")
VALID_PORTION = TEST_PORTION = 0.1


class SourceRecording(NamedTuple):
    """One file: an id made of the speaker and the file name, the speaker (or kind of noise), path, length, rate."""

    name: str
    group: str
    path: str
    num_samples: int
    rate: int

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return self.num_samples / self.rate


class Sources(NamedTuple):
    """Recordings of each split, and what was found but cannot be used: ``(path, reason)``."""

    speech: dict[str, list[SourceRecording]]
    noise: dict[str, list[SourceRecording]]
    skipped: list[tuple[str, str]]


def has_given_split(root: Path, with_noise: bool = True) -> bool:
    """Whether ``root`` has train, valid and test folders, each with speech and, if wanted, noise."""
    kinds = ("speech", "noise") if with_noise else ("speech",)
    return all((root / split / kind).is_dir() for split in SPLITS for kind in kinds)


def audio_files(root: Path) -> list[Path]:
    """All recordings below ``root``, sorted, hidden files left out.

    Raises:
        UserError: the folder does not exist or has no recording.
    """
    if not root.is_dir():
        raise UserError(f"{root}: no such folder; give one that holds recordings ({', '.join(SUFFIXES)})")
    files = [path for path in root.rglob("*") if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")]
    if not files:
        raise UserError(f"{root}: no recording in it; give a folder that holds {', '.join(SUFFIXES)} files")
    return sorted(files)


def safe_name(text: str) -> str:
    """Replace what may not occur in an utterance id (spaces, slashes, signs, dots at its beginning) by ``_``."""
    return re.sub(r"[^\w.-]+", "_", text).rstrip("_").lstrip("._") or "x"


def speaker_of(path: Path, root: Path, flat_speakers: bool) -> str:
    """Speaker of a recording: its first folder below ``root``, or for files directly in ``root`` their name.

    With ``flat_speakers`` the name's part before the first ``_`` or ``-`` is the speaker (``p226_001.wav``).
    """
    parts = path.relative_to(root).parts
    if len(parts) > 1:
        return safe_name(parts[0])
    return safe_name(re.split(r"[_-]", path.stem)[0] if flat_speakers else path.stem)


def scan(root: Path, speech: bool, skipped: list[tuple[str, str]]) -> list[SourceRecording]:
    """Read the headers of all recordings below ``root``; files that cannot be used are appended to ``skipped``.

    The group of a noise is its kind: the file name without the number at its end, or its folder.
    """
    files = audio_files(root)
    # A corpus unpacked into one enclosing folder: descend, or all of it would be one speaker.
    while len({path.relative_to(root).parts[0] for path in files}) == 1 and len(files) > 1:
        inner = root / files[0].relative_to(root).parts[0]
        if not inner.is_dir():
            break
        if speech and all(path.parent == inner for path in files):
            break
        root = inner
    prefixes = Counter(re.split(r"[_-]", path.stem)[0] for path in files)
    flat_speakers = 3 <= len(prefixes) < len(files)
    recordings: list[SourceRecording] = []
    used: Counter = Counter()
    for path in files:
        try:
            num_samples, rate, _ = recording_info(path)
        except UserError as error:
            skipped.append((str(path), str(error)[len(str(path)) + 2 :]))
            continue
        relative = path.relative_to(root)
        if speech:
            group = speaker_of(path, root, flat_speakers)
            inside = relative.parts[1:] if len(relative.parts) > 1 else relative.parts
            rest = safe_name("-".join(Path(*inside).with_suffix("").parts))
            name = rest if rest.startswith(group) else f"{group}_{rest}"
        else:
            name = safe_name("-".join(relative.with_suffix("").parts))
            group = re.sub(r"[-_\d]*\d[-_\dA-Z]*$", "", name) or name
        used[name] += 1
        if used[name] > 1:
            name = f"{name}-{used[name]}"
        recordings.append(SourceRecording(name, group, str(path), num_samples, rate))
    if not recordings:
        raise UserError(f"{root}: none of its {len(files)} recordings is readable (first: {skipped[-1][1]})")
    return recordings


def _divide(groups: Sequence[str], what: str, root: Path, smallest: int = 1) -> dict[str, str]:
    """Assign every group to a split, always in the same way: about 80 / 10 / 10 %, at least ``smallest`` in each."""
    names = sorted(set(groups))
    if len(names) < 3 * smallest:
        each = f" with {smallest} in each" if smallest > 1 else ""
        raise UserError(
            f"{root}: {len(names)} {what}, at least {3 * smallest} are needed for disjoint train, valid and test"
            f"{each}; add some, or make train, valid and test folders with speech and noise in each"
        )
    order = np.random.default_rng(0).permutation(len(names))
    num_test = max(smallest, round(TEST_PORTION * len(names)))
    num_valid = max(smallest, round(VALID_PORTION * len(names)))
    split = {}
    for rank, index in enumerate(order):
        split[names[index]] = "test" if rank < num_test else "valid" if rank < num_test + num_valid else "train"
    return split


def find_sources(clean_dir: Path, noise_dir: Path | None, num_speakers: int = 1, with_noise: bool = True) -> Sources:
    """Find speech and noise, with the split that ``clean_dir`` gives or one made here.

    Args:
        clean_dir: folder of speech.
        noise_dir: folder of noise; None: that of the split that ``clean_dir`` gives.
        num_speakers: speakers in a mixture, and so the fewest of a split.
        with_noise: whether noise is needed; otherwise there may be none.

    Raises:
        UserError: a folder is missing or has nothing readable, or there are too few speakers or noises to divide.
    """
    skipped: list[tuple[str, str]] = []
    if has_given_split(clean_dir, with_noise and noise_dir is None):
        speech = {split: scan(clean_dir / split / "speech", True, skipped) for split in SPLITS}
        if noise_dir is None and has_given_split(clean_dir):
            noise = {split: scan(clean_dir / split / "noise", False, skipped) for split in SPLITS}
            return Sources(speech, noise, skipped)
    else:
        found = scan(clean_dir, True, skipped)
        split_of = _divide([recording.group for recording in found], "speakers (folders)", clean_dir, num_speakers)
        speech = {split: [item for item in found if split_of[item.group] == split] for split in SPLITS}
    if noise_dir is None and not with_noise:
        return Sources(speech, {split: [] for split in SPLITS}, skipped)
    if noise_dir is None:
        raise UserError(
            f"{clean_dir}: no train, valid and test folders with speech and noise; give --noise_dir DIR too"
        )
    found = scan(noise_dir, False, skipped)
    split_of = _divide([recording.path for recording in found], "noise recordings", noise_dir)
    noise = {split: [item for item in found if split_of[item.path] == split] for split in SPLITS}
    return Sources(speech, noise, skipped)
