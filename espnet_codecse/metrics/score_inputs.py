"""What is to be scored: utterances with their files, checked before any score is computed."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from espnet_codecse.audio import audio_info
from espnet_codecse.errors import UserError
from espnet_codecse.fileio import read_scp

AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".mp3")
# Codecs may drop some samples at the end (DAC-16k: 8 or 9); anything more is another recording.
MAX_TRIM_SAMPLES = 16


@dataclass(frozen=True)
class Utterance:
    """One utterance.

    Attributes:
        id: its name in the lists.
        references, estimates: files, one a speaker; there may be no references.
        mixture: the unprocessed file, empty where no score needs it.
        sample_rate: Hz to which all are brought before anything is computed; 0 leaves them as they are.
    """

    id: str
    references: tuple[str, ...]
    estimates: tuple[str, ...]
    mixture: str = ""
    sample_rate: int = 0

    def signature(self) -> str:
        """Changes when one of the files is another one (path, size or time of change), and with the sample rate."""
        digest = hashlib.sha256(f"{self.sample_rate}\0".encode() if self.sample_rate else b"")
        for path in (*self.references, "", *self.estimates, *([self.mixture] if self.mixture else [])):
            state = os.stat(path) if path else None
            digest.update(f"{path}\0{state and (state.st_size, state.st_mtime_ns)}\0".encode())
        return digest.hexdigest()[:24]


def read_table(source: str) -> dict[str, str]:
    """Read an scp, or make its table from a folder: the id is the file name without suffix.

    Raises:
        UserError: no audio in the folder, two files of one name, or an unreadable scp.
    """
    if not Path(source).is_dir():
        return read_scp(source)
    table: dict[str, str] = {}
    for path in sorted(path for path in Path(source).rglob("*") if path.suffix.lower() in AUDIO_SUFFIXES):
        if path.stem in table:
            raise UserError(f"{path}: the name '{path.stem}' occurs twice in {source}; rename one of the files")
        table[path.stem] = str(path)
    if not table:
        raise UserError(f"{source}: no audio file ({', '.join(AUDIO_SUFFIXES)}) in this folder; check the path")
    return table


def _check_same_ids(source: str, table: dict[str, str], first_source: str, first_table: dict[str, str]) -> None:
    for one, one_table, other, other_table in (
        (source, table, first_source, first_table),
        (first_source, first_table, source, table),
    ):
        missing = sorted(set(other_table) - set(one_table))
        if missing:
            raise UserError(
                f"{one}: {len(missing)} of the {len(other_table)} utterances of {other} are missing, the first is "
                f"'{missing[0]}'; both lists must hold the same utterances"
            )


def read_inputs(
    references: Sequence[str], estimates: Sequence[str], mixtures: str = "", sample_rate: int = 0
) -> list[Utterance]:
    """Match the lists of all speakers by utterance id, sorted by id.

    Args:
        references: scp files or folders, one a speaker; may be empty.
        estimates: scp files or folders, as many as references.
        mixtures: scp file or folder of what was processed, empty where no score needs it.
        sample_rate: see :class:`Utterance`.

    Raises:
        UserError: the lists do not hold the same utterances, or their numbers differ.
    """
    if references and len(references) != len(estimates):
        raise UserError(
            f"--ref_scp: {len(references)} given but {len(estimates)} --inf_scp; one of each is needed per speaker"
        )
    sources = [*references, *estimates, *([mixtures] if mixtures else [])]
    tables = [read_table(source) for source in sources]
    if not tables[0]:
        raise UserError(f"{sources[0]}: the list is empty; nothing can be scored")
    for source, table in zip(sources[1:], tables[1:]):
        _check_same_ids(source, table, sources[0], tables[0])
    count = len(references)
    return [
        Utterance(
            utterance,
            tuple(table[utterance] for table in tables[:count]),
            tuple(table[utterance] for table in tables[count : count + len(estimates)]),
            tables[-1][utterance] if mixtures else "",
            sample_rate,
        )
        for utterance in sorted(tables[0])
    ]


def check_audio(utterance: Utterance) -> int:
    """Check the headers of one utterance's files; return the number of samples that will be trimmed.

    Raises:
        UserError: a file is unreadable, has several channels, or rates or lengths do not fit.
    """
    paths = (*utterance.references, *utterance.estimates, *([utterance.mixture] if utterance.mixture else []))
    infos = [audio_info(path) for path in paths]
    for path, (num_samples, rate, channels) in zip(paths, infos):
        if channels != 1:
            raise UserError(f"{path}: has {channels} channels; scoring needs one, write a single channel")
        if rate != infos[0][1]:
            raise UserError(f"{path}: {rate} Hz but {paths[0]} has {infos[0][1]} Hz; bring both to one sample rate")
        if abs(num_samples - infos[0][0]) > MAX_TRIM_SAMPLES:
            raise UserError(
                f"{path}: {num_samples} samples but {paths[0]} has {infos[0][0]} ('{utterance.id}'); the lengths may "
                f"differ by {MAX_TRIM_SAMPLES} samples at most, check that both are the same recording"
            )
    return max(info[0] for info in infos) - min(info[0] for info in infos)
