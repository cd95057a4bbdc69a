"""Files of the URGENT 2024 challenge as its prepare_espnet_data.sh leaves them in the challenge's repository.

``data/{speech_train,validation[,train]}`` with ``wav.scp``, ``spk1.scp``, ``utt2spk`` and ``utt2fs``, and the lists
``data/noise_train.scp`` and ``data/rir_train.scp`` of one path a line. Relative paths begin at the repository.
"""

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from espnet_codecse.corpus.data_dir import reject_pipe
from espnet_codecse.corpus.headers import Header
from espnet_codecse.corpus.location import corpus_root
from espnet_codecse.corpus.sources import safe_name
from espnet_codecse.errors import UserError
from espnet_codecse.fileio import read_scp, read_text

VARIABLE = "URGENT"
SPEECH, VALIDATION, TRAIN = "speech_train", "validation", "train"
NOISE, ROOMS = "noise_train.scp", "rir_train.scp"
_TABLES = ("wav.scp", "spk1.scp", "utt2spk", "utt2fs")
_RATES = range(8000, 48001)  # Hz, of the challenge


class Pair(NamedTuple):
    """An utterance of a data directory: speaker, sample rate of both files (Hz), mixture and reference."""

    speaker: str
    rate: int
    noisy: str
    clean: str


def find_data(root: Path, needed: Iterable[str]) -> Path:
    """Return the challenge's ``data``: a folder of ``root``, or ``root`` itself.

    Raises:
        UserError: something of ``needed`` is missing.
    """
    folder = corpus_root(VARIABLE, [f"data/{SPEECH}|{SPEECH}|data/{VALIDATION}|{VALIDATION}"], root)
    data = folder / "data" if (folder / "data").is_dir() else folder
    return corpus_root(VARIABLE, list(needed), data)


def read_pairs(directory: Path, incomplete: bool = False) -> dict[str, Pair]:
    """Return ``{<speaker>_<id>: pair}``; the speaker is put before ids that do not begin with it, as Kaldi wants.

    Args:
        directory: with wav.scp, spk1.scp, utt2spk and utt2fs.
        incomplete: leave out the utterances that one of the tables or the disk does not have.

    Raises:
        UserError: a table or a file is missing, the tables do not agree, or a rate is none.
    """
    tables = {name: read_scp(directory / name) for name in _TABLES}
    wanted = tables["wav.scp"]
    for name, table in tables.items():
        alone = sorted(wanted.keys() ^ table.keys())
        if alone and not incomplete:
            where = directory / (name if alone[0] in wanted else "wav.scp")
            raise UserError(
                f"{where}: no line for '{alone[0]}'; {name} has {len(table)} utterances, wav.scp {len(wanted)}; "
                "prepare it again, or pass --incomplete"
            )
    base = directory.parent.parent
    pairs: dict[str, Pair] = {}
    for utterance in sorted(set.intersection(*(set(table) for table in tables.values()))):
        speaker, rate = tables["utt2spk"][utterance], tables["utt2fs"][utterance]
        if not rate.isdigit() or int(rate) not in _RATES:
            raise UserError(f"{directory / 'utt2fs'}: '{utterance}': '{rate}' is no sample rate in Hz; correct it")
        paths = []
        for name in ("wav.scp", "spk1.scp"):
            reject_pipe(directory / name, utterance, tables[name][utterance])
            paths.append(_resolve(tables[name][utterance], base))
        name = utterance if utterance.startswith(speaker) else f"{speaker}_{utterance}"
        name = name.replace("/", "_")
        if name in pairs:
            raise UserError(f"{directory}: '{name}' stands for two utterances; rename one of them")
        pairs[name] = Pair(speaker, int(rate), *paths)
    missing = _missing(directory, {name: {pair.noisy, pair.clean} for name, pair in pairs.items()}, incomplete)
    return {name: pair for name, pair in pairs.items() if name not in missing}


def read_list(path: Path, incomplete: bool = False) -> dict[str, str]:
    """Return ``{id: file}`` of a list of noise or room responses: lines ``path``, ``id path`` or ``id rate path``.

    Args:
        path: path of the list.
        incomplete: leave out what is not there.

    Raises:
        UserError: a file is missing or listed twice, two lines have one id, or the list is empty.
    """
    base = path.parent.parent
    files: dict[str, str] = {}
    seen: dict[str, int] = {}
    for number, line in enumerate(read_text(path).splitlines(), 1):
        text = line.strip()
        if not text:
            continue
        key = ""
        # Names may hold spaces: only what is no file as a whole has columns.
        if " " in text and not os.path.isfile(_resolve(text, base)):
            match = re.fullmatch(r"(\S+)\s+(?:\d+\s+)?(.+)", text)
            if match and not match[1].startswith(("/", ".")):
                key, text = match[1], match[2]
        file = _resolve(text, base)
        if file in seen:
            raise UserError(f"{path}:{number}: {text} stands in line {seen[file]} too; remove one of the lines")
        seen[file] = number
        if key and key in files:
            raise UserError(f"{path}:{number}: the id '{key}' occurs twice; remove one of the lines")
        files[key or _new_name(Path(file), files)] = file
    missing = _missing(path, {key: {file} for key, file in files.items()}, incomplete)
    files = {key: file for key, file in files.items() if key not in missing}
    if not files:
        raise UserError(f"{path}: lists no file; prepare it again")
    return files


def _resolve(path: str, base: Path) -> str:
    return os.path.normpath(os.path.join(base, path))


def _new_name(file: Path, taken: Mapping[str, str]) -> str:
    name = stem = safe_name(file.stem)
    if name in taken:
        name = stem = safe_name(f"{file.parent.name}-{file.stem}")
    number = 1
    while name in taken:
        number += 1
        name = f"{stem}-{number}"
    return name


def _missing(where: Path, files: Mapping[str, Iterable[str]], incomplete: bool) -> dict[str, str]:
    """Return ``{id: file that is not there}``."""
    missing = {key: path for key, paths in files.items() for path in sorted(paths) if not os.path.isfile(path)}
    if missing and not incomplete:
        key, path = next(iter(missing.items()))
        raise UserError(
            f"{where}: '{key}': no such file: {path} ({len(missing)} of {len(files)} are missing); "
            "are relative paths meant from another folder? or pass --incomplete"
        )
    return missing


def usable(
    pairs: Mapping[str, Pair], headers: Mapping[str, Header]
) -> tuple[dict[str, Pair], list[tuple[str, str, str]]]:
    """Divide pairs by their headers: ``(what can be used, (id, path, reason) of the rest)``."""
    good, rejected = {}, []
    for name, pair in pairs.items():
        noisy, clean = headers[pair.noisy], headers[pair.clean]
        for path, header in ((pair.noisy, noisy), (pair.clean, clean)):
            reason = header.reason
            if not reason and header.rate != pair.rate:
                reason = f"wrong rate, {header.rate} Hz, utt2fs has {pair.rate} Hz"
            if not reason and header.num_samples != noisy.num_samples:
                reason = f"length mismatch, {header.num_samples} samples, the mixture has {noisy.num_samples}"
            if reason:
                rejected.append((name, path, reason))
                break
        else:
            good[name] = pair
    return good, rejected
