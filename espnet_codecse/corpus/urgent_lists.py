"""Lists of the URGENT recipe: halves that share no speaker and no noise, unpaired lists, lists for dynamic mixing."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from espnet_codecse.corpus.headers import read_headers
from espnet_codecse.corpus.prepared_set import Rejected, spread
from espnet_codecse.corpus.recording_list import Listed, write_list
from espnet_codecse.corpus.sources import SourceRecording
from espnet_codecse.corpus.urgent_layout import NOISE, Pair
from espnet_codecse.errors import UserError


def read_recordings(
    files: Mapping[str, str], work_dir: Path, num_jobs: int, what: str
) -> tuple[list[SourceRecording], list[Rejected]]:
    """Read the headers of a list, in parallel: ``(recordings, (id, path, reason) of what cannot be used)``.

    Args:
        files: ``{id: path}``.
        work_dir: where the headers are kept.
        num_jobs: processes.
        what: is listed.

    Raises:
        UserError: none can be used.
    """
    headers = read_headers(list(files.values()), work_dir, num_jobs, f"headers of {what}")
    good, rejected = [], []
    for name, path in files.items():
        header = headers[path]
        if header.reason:
            rejected.append((name, path, header.reason))
        else:
            group = re.sub(r"[-_]\d+$", "", str(Path(path).with_suffix("")))
            good.append(SourceRecording(name, group, path, header.num_samples, header.rate))
    if not good:
        raise UserError(f"{rejected[0][1]}: {rejected[0][2]}; none of {len(files)} {what} can be used")
    return good, rejected


def divide_noise(noise: Sequence[SourceRecording]) -> tuple[list[SourceRecording], list[SourceRecording]]:
    """Divide noise into two halves; what was cut from one recording (``<name>_<number>``) stays together.

    Raises:
        UserError: there is one file alone.
    """
    if len(noise) < 2:
        raise UserError(f"{NOISE}: {len(noise)} recording; two at least are needed for the unpaired lists")
    if len({item.group for item in noise}) < 2:  # then the number is all that tells recordings apart
        noise = [item._replace(group=item.path) for item in noise]
    half = halves_of(item.group for item in noise)
    first, second = ([item for item in noise if half[item.group] == number] for number in (0, 1))
    return first, second


def halves_of(names: Iterable[str]) -> dict[str, int]:
    """Return ``{name: half, 0 or 1}``: every second one of the different names."""
    return {name: number % 2 for number, name in enumerate(sorted(set(names)))}


def write_unpaired(
    target: Path,
    tables: Mapping[str, Mapping[str, Any]],
    half: Mapping[str, int],
    noise: Sequence[SourceRecording],
    rate: int,
    subset: int,
    num_jobs: int,
) -> list[str]:
    """Write ``target/{unpaired_noisy,unpaired_speech,unpaired_noise}``; returns a line for each.

    Args:
        target: folder of the data directories.
        tables: tables of the training mixtures.
        half: half of each speaker; the first half is heard noisy, the second clean.
        noise: what is not heard in the mixtures of the first half.
        rate: Hz.
        subset: noise recordings; 0 for all.
        num_jobs: processes.
    """
    lines = []
    for number, (name, table) in enumerate((("unpaired_noisy", "wav.scp"), ("unpaired_speech", "spk1.scp"))):
        speakers = {key: speaker for key, speaker in tables["utt2spk"].items() if half[speaker] == number}
        items = {key: Listed(tables[table][key], speaker) for key, speaker in speakers.items()}
        if items:
            lines.append(write_list(target, name, items, rate, num_jobs))
    recordings = spread({item.name: Listed(item.path, item.name) for item in noise}, subset)
    return [*lines, write_list(target, "unpaired_noise", recordings, rate, num_jobs)]


def write_dynamic(
    target: Path,
    train: Mapping[str, Pair],
    noise: Mapping[str, str],
    rooms: Mapping[str, str],
    rate: int,
    subset: int,
    num_jobs: int,
) -> list[str]:
    """Write ``target/{clean,noise,rooms}_train`` for ESPnet's preprocessor; returns a line for each.

    Args:
        target: folder of the data directories.
        train: clean speech.
        noise, rooms: ``{id: file}``.
        rate: Hz.
        subset: noise recordings, and room responses; 0 for all.
        num_jobs: processes.
    """
    clean = {name: Listed(pair.clean, pair.speaker) for name, pair in train.items()}
    lines = [write_list(target, "clean_train", clean, rate, num_jobs, own_reference=True)]
    for name, files in (("noise_train", noise), ("rooms_train", rooms)):
        items = {key: Listed(path, key) for key, path in files.items()}
        lines.append(write_list(target, name, spread(items, subset), rate, num_jobs))
    return lines
