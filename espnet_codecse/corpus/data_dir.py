"""Kaldi-style data directories: read, write, validate and fix.

A directory holds tables of ``id value`` lines: ``wav.scp`` (mixture), ``spk1.scp`` ... (references),
``noise1.scp`` ..., ``utt2spk``, ``utt2fs``, ``utt2num_samples``, ``utt2category`` and other ``utt2*`` files,
all with the same utterance ids in the same order, and ``spk2utt``, which is derived from ``utt2spk``. With Kaldi's
``segments`` the ``*.scp`` tables are keyed by recording.
"""

import itertools
from collections.abc import Mapping
from pathlib import Path

from espnet_codecse.corpus.segments import NAME as SEGMENTS
from espnet_codecse.corpus.segments import read_segments
from espnet_codecse.errors import UserError
from espnet_codecse.fileio import PathLike, check_id, read_scp, read_text, write_scp

Tables = dict[str, dict[str, str]]


def table_names(path: PathLike) -> list[str]:
    """Names of the tables in ``path``, sorted; ``spk2utt`` and ``segments`` are not among them.

    Raises:
        UserError: the directory does not exist.
    """
    path = Path(path)
    if not path.is_dir():
        raise UserError(f"{path}: no such data directory; check the path or run the stage that writes it")
    return sorted(
        entry.name
        for entry in path.iterdir()
        if entry.is_file() and (entry.suffix == ".scp" or entry.name.startswith("utt2") or entry.name == "text")
    )


def is_audio_table(name: str) -> bool:
    """Whether the values of the table ``name`` are paths of audio files."""
    return name.endswith(".scp")


def read_data_dir(path: PathLike) -> Tables:
    """Read all tables: ``{file name: {utterance id: value}}``; with ``segments`` audio is keyed by recording.

    Raises:
        UserError: the directory or its ``wav.scp`` is missing, or a table is malformed or holds an id twice.
    """
    names = table_names(path)
    if "wav.scp" not in names:
        raise UserError(f"{path}: no wav.scp in it; a data directory needs wav.scp and utt2spk")
    return {name: read_scp(Path(path) / name) for name in names}


def speaker_table(utt2spk: Mapping[str, str]) -> dict[str, str]:
    """Invert ``utt2spk``: ``{speaker: 'utterance utterance ...'}``, utterances sorted."""
    utterances: dict[str, list[str]] = {}
    for utterance in sorted(utt2spk):
        utterances.setdefault(utt2spk[utterance], []).append(utterance)
    return {speaker: " ".join(names) for speaker, names in utterances.items()}


def write_data_dir(path: PathLike, tables: Mapping[str, Mapping[str, object]]) -> None:
    """Write ``tables`` sorted, each atomically, with ``spk2utt`` made from ``utt2spk`` and ``wav.scp`` last.

    ``wav.scp`` comes last because its presence is what other programs take for a complete directory.
    """
    path = Path(path)
    for name in sorted(tables, key=lambda name: name == "wav.scp"):
        if name == "utt2spk":
            write_scp(path / "spk2utt", speaker_table({key: str(value) for key, value in tables[name].items()}))
        write_scp(path / name, tables[name])


def validate_data_dir(path: PathLike, num_references: int = 0, check_files: bool = True) -> int:
    """Check a data directory and return its number of utterances.

    Args:
        path: the directory.
        num_references: references ``spk1.scp`` ... ``spkN.scp`` that must be present.
        check_files: also check that every audio path is an existing file.

    Raises:
        UserError: naming the file and the first offending id: not sorted, an id twice, ids that differ between the
            files, an utterance id without its speaker as prefix, an inconsistent ``spk2utt``, a missing reference,
            a pipe or a missing audio file, or a segment that is malformed or of no recording.
    """
    path = Path(path)
    tables = read_data_dir(path)
    required = ["utt2spk"] + [f"spk{number}.scp" for number in range(1, num_references + 1)]
    for name in required:
        if name not in tables:
            raise UserError(f"{path}: no {name} in it; write one line for each utterance of wav.scp")
    fix = f"run utils/fix_data_dir.sh {path}"
    recordings, segments = tables["wav.scp"], read_segments(path)
    if not recordings or segments == {}:
        empty = SEGMENTS if recordings else "wav.scp"
        raise UserError(f"{path}/{empty}: it is empty; a data directory needs at least one utterance")
    utterances: Mapping[str, object] = recordings if segments is None else segments
    if segments is not None:
        _check_sorted(path / SEGMENTS, segments, fix)
        for key in {segment.recording for segment in segments.values()} ^ recordings.keys():
            where = f"{path}/{SEGMENTS}" if key in recordings else f"{path}/wav.scp"
            raise UserError(f"{where}: no line for the recording '{key}', which is in the other file; {fix}")
    for name, table in tables.items():
        _check_sorted(path / name, table, fix)
        first, keys = ("wav.scp", recordings) if segments is None or is_audio_table(name) else (SEGMENTS, utterances)
        for key in keys.keys() ^ table.keys():
            where = f"{path}/{name}" if key in keys else f"{path}/{first}"
            raise UserError(f"{where}: no line for '{key}', which is in the other files; {fix}")
        if is_audio_table(name):
            _check_paths(path / name, table, check_files)
    for utterance, speaker in tables["utt2spk"].items():
        if not utterance.startswith(speaker):
            raise UserError(f"{path}/utt2spk: '{utterance}' does not begin with its speaker '{speaker}'; rename it")
    if not (path / "spk2utt").is_file() or read_scp(path / "spk2utt") != speaker_table(tables["utt2spk"]):
        raise UserError(f"{path}/spk2utt: missing or not consistent with utt2spk; {fix}")
    return len(utterances)


def _check_sorted(file: Path, table: Mapping[str, object], fix: str) -> None:
    for first, second in itertools.pairwise(table):
        if first > second:
            raise UserError(f"{file}: not sorted, '{second}' comes after '{first}'; {fix}")


def _check_paths(file: Path, table: Mapping[str, str], check_files: bool) -> None:
    for utterance, value in table.items():
        reject_pipe(file, utterance, value)
        if check_files and not Path(value).is_file():
            raise UserError(f"{file}: '{utterance}': no such audio file: {value}; check the path")


def reject_pipe(file: PathLike, utterance: str, value: str) -> None:
    """Raise UserError when the value of an scp line is a Kaldi pipe (``command |``), which is never run."""
    if value.endswith("|"):
        raise UserError(f"{file}: '{utterance}' is a pipe ({value[:60]}); write its output to a file and give the path")


def fix_data_dir(path: PathLike) -> dict[str, int]:
    """Keep the ids that all files have, sort, and rewrite ``spk2utt``.

    Lines repeated word for word are merged. Returns:
        ``{file name: number of lines dropped}`` for the files that changed in length.

    Raises:
        UserError: an id has two different values, or no id is common to all files.
    """
    path = Path(path)
    tables: Tables = {}
    dropped: dict[str, int] = {}
    names = table_names(path) + ([SEGMENTS] if (path / SEGMENTS).is_file() else [])
    if "wav.scp" not in names or "utt2spk" not in names:
        raise UserError(f"{path}: wav.scp or utt2spk is missing; they cannot be made from the other files")
    for name in names:
        lines = [line.strip() for line in read_text(path / name).split("\n") if line.strip()]
        table: dict[str, str] = {}
        for line in lines:
            key, _, value = line.partition(" ") if " " in line else line.partition("\t")
            if not value.strip():
                continue
            check_id(key, f"{path}/{name}")
            if table.setdefault(key, value.strip()) != value.strip():
                raise UserError(f"{path}/{name}: the id '{key}' has two different values; remove one of the lines")
        dropped[name] = len(lines)
        tables[name] = table
    if SEGMENTS in names:
        _keep_common_recordings(tables)
    by_id = {name: set(table) for name, table in tables.items() if SEGMENTS not in names or not is_audio_table(name)}
    common = set.intersection(*by_id.values())
    if not common:
        raise UserError(f"{path}: no id is common to {', '.join(names)}; were they written for different sets?")
    for name in by_id:
        tables[name] = {key: tables[name][key] for key in common}
    if SEGMENTS in names:
        _keep_common_recordings(tables)
    write_data_dir(path, tables)
    return {name: count - len(tables[name]) for name, count in dropped.items() if count != len(tables[name])}


def _keep_common_recordings(tables: Tables) -> None:
    """Keep the recordings that all audio tables have and that have segments, and their segments."""
    recording_of = {key: value.split()[0] for key, value in tables[SEGMENTS].items()}
    audio = [set(table) for name, table in tables.items() if is_audio_table(name)]
    common = set.intersection(set(recording_of.values()), *audio)
    tables[SEGMENTS] = {key: value for key, value in tables[SEGMENTS].items() if recording_of[key] in common}
    for name in filter(is_audio_table, tables):
        tables[name] = {key: value for key, value in tables[name].items() if key in common}
