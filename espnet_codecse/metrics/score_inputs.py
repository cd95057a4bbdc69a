"""Inputs of scoring: utterances and their files, checked before any score is computed."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from espnet_codecse.audio import audio_info
from espnet_codecse.errors import UserError
from espnet_codecse.fileio import PathLike, read_scp
from espnet_codecse.identity import file_state

AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".mp3")
# Codecs may drop some samples at the end (DAC at 16 kHz: 8 or 9); a larger difference means another recording.
MAX_TRIM_SAMPLES = 16


@dataclass(frozen=True)
class Utterance:
    """One utterance.

    Attributes:
        id: id in the lists.
        references, estimates: files, one per speaker; references may be empty.
        mixture: file of the unprocessed mixture; empty if no score needs it.
        sample_rate: rate to which all signals are resampled first, Hz; 0: no resampling.
    """

    id: str
    references: tuple[str, ...]
    estimates: tuple[str, ...]
    mixture: str = ""
    sample_rate: int = 0

    def signature(self) -> str:
        """Return a hash of the sample rate, and of path and state of all files."""
        digest = hashlib.sha256(f"{self.sample_rate}\0".encode() if self.sample_rate else b"")
        for path in (*self.references, "", *self.estimates, *([self.mixture] if self.mixture else [])):
            digest.update(f"{path}\0{path and file_state(path)}\0".encode("utf-8", "surrogateescape"))
        return digest.hexdigest()[:24]


def read_table(source: str) -> dict[str, str]:
    """Read an scp, or take a folder of audio or a single audio file, with file names as ids; see :func:`_id_of`.

    Raises:
        UserError: the folder has no audio or two files with the same name, or the scp is unreadable.
    """
    if _is_audio_file(source):
        return {_id_of(source): source}
    if not Path(source).is_dir():
        return read_scp(source)
    table: dict[str, str] = {}
    for path in sorted(path for path in Path(source).rglob("*") if path.suffix.lower() in AUDIO_SUFFIXES):
        utterance = _id_of(path)
        if utterance in table:
            raise UserError(f"{path}: the name '{utterance}' occurs twice in {source}; rename one of the files")
        table[utterance] = str(path)
    if not table:
        raise UserError(f"{source}: no audio file ({', '.join(AUDIO_SUFFIXES)}) in this folder; check the path")
    return table


def _id_of(path: PathLike) -> str:
    """Return a file's name without suffix, with underscores for spaces, which would end the id in a list."""
    return "_".join(Path(path).stem.split()) or "_"


def _is_audio_file(source: str) -> bool:
    return Path(source).suffix.lower() in AUDIO_SUFFIXES and Path(source).is_file()


def read_tables(sources: Sequence[str], estimate: str) -> list[dict[str, str]]:
    """Read several lists; single audio files belong together and are named after ``estimate``, whatever their names.

    Raises:
        UserError: as :func:`read_table`.
    """
    if all(map(_is_audio_file, sources)):
        return [{_id_of(estimate): source} for source in sources]
    return [read_table(source) for source in sources]


def _check_same_ids(source: str, table: dict[str, str], first_source: str, first_table: dict[str, str]) -> None:
    for one, one_table, other, other_table in (
        (source, table, first_source, first_table),
        (first_source, first_table, source, table),
    ):
        missing = sorted(set(other_table) - set(one_table))
        if missing:
            raise UserError(
                f"{one}: {len(missing)} of the {len(other_table)} utterances of {other} are missing, the first is "
                f"'{missing[0]}'; both lists must have the same utterances"
            )


def read_inputs(
    references: Sequence[str], estimates: Sequence[str], mixtures: str = "", sample_rate: int = 0
) -> list[Utterance]:
    """Match the lists of all speakers by utterance id, sorted by id.

    Args:
        references: scp files, folders or audio files, one per speaker; may be empty.
        estimates: the same, as many as references.
        mixtures: the same of the unprocessed mixtures; empty if no score needs it.
        sample_rate: see :class:`Utterance`.

    Raises:
        UserError: the lists have different utterances, or their numbers differ.
    """
    if references and len(references) != len(estimates):
        raise UserError(
            f"--ref_scp: {len(references)} given, but {len(estimates)} --inf_scp; give one of each per speaker"
        )
    sources = [*references, *estimates, *([mixtures] if mixtures else [])]
    tables = read_tables(sources, estimates[0])
    if not tables[0]:
        raise UserError(f"{sources[0]}: the list is empty; check the stage that wrote it")
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
    """Check the headers of one utterance's files; return the samples that will be trimmed, at the first file's rate.

    Raises:
        UserError: a file is unreadable, has several channels, lengths do not match, or rates do not match and nothing
            is resampled.
    """
    paths = (*utterance.references, *utterance.estimates, *([utterance.mixture] if utterance.mixture else []))
    infos = [audio_info(path) for path in paths]
    first_samples, first_rate, _ = infos[0]
    lengths = []
    for path, (num_samples, rate, channels) in zip(paths, infos):
        if channels != 1:
            raise UserError(f"{path}: has {channels} channels, but scoring needs one; write a single channel")
        if rate != first_rate and not utterance.sample_rate:
            raise UserError(
                f"{path}: {rate} Hz, but {paths[0]} has {first_rate} Hz; resample one of them, or pass --fs"
            )
        lengths.append(round(num_samples * first_rate / rate))
        if abs(lengths[-1] - first_samples) > MAX_TRIM_SAMPLES:
            length = f"{num_samples} samples" + (f" at {rate} Hz" if rate != first_rate else "")
            other = f"{first_samples}" + (f" at {first_rate} Hz" if rate != first_rate else "")
            raise UserError(
                f"{path}: {length}, but {paths[0]} has {other} ('{utterance.id}'); lengths may "
                f"differ by at most {MAX_TRIM_SAMPLES} samples, check that both are the same recording"
            )
    return max(lengths) - min(lengths)
