"""Lists of single recordings (clean speech, noise, room responses) for on-the-fly and for unpaired training."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from espnet_codecse.corpus.convert import ConvertJob, Source, convert_all
from espnet_codecse.corpus.prepared_set import key_of, write_prepared_set


class Listed(NamedTuple):
    """A recording of a list: its file, its speaker (or itself), and the channel taken, from 0."""

    path: str
    speaker: str
    channel: int = 0


def write_list(
    target: Path, name: str, recordings: Mapping[str, Listed], rate: int, num_jobs: int, own_reference: bool = False
) -> str:
    """Write the data directory ``target/name``; what is not at ``rate`` goes to ``target/audio``. Returns a line.

    Args:
        target: folder of the data directories.
        name: name of the list.
        recordings: ``{id: recording}``.
        rate: Hz.
        num_jobs: processes.
        own_reference: clean speech for ESPnet's preprocessor, which mixes it: it stands in spk1.scp too.

    Raises:
        UserError: nothing can be used.
    """
    folder = target / "audio" / f"{name}_{rate}"
    jobs = [
        ConvertJob(Source(item.path), str(folder / f"{key}.flac"), rate, item.channel)
        for key, item in recordings.items()
    ]
    results = convert_all(jobs, folder / f".parts_{key_of(jobs)}", num_jobs, f"{name} to {rate} Hz")
    good = {key: item for key, item in zip(recordings, results) if not item.reason}
    tables: dict[str, dict[str, Any]] = {
        "wav.scp": {key: item.path for key, item in good.items()},
        "utt2spk": {key: recordings[key].speaker for key in good},
        "utt2fs": dict.fromkeys(good, rate),
        "utt2num_samples": {key: item.num_samples for key, item in good.items()},
    }
    if own_reference:
        tables["spk1.scp"] = tables["wav.scp"]
    rejected = [(key, item.path, item.reason) for key, item in zip(recordings, results) if item.reason]
    return write_prepared_set(target / name, tables, rejected)
