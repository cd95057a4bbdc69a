"""Recordings of a corpus, plain files or members of its zips, brought to one sample rate once."""

import zipfile
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from espnet_codecse.audio import read_audio_bytes, resample, write_audio
from espnet_codecse.corpus.parallel import run_parts
from espnet_codecse.corpus.prepared_set import key_of
from espnet_codecse.corpus.recording import check_finite, read_recording, recording_info
from espnet_codecse.errors import UserError


class Source(NamedTuple):
    """A recording: a file, or the member of a zip (``member`` is empty for a file)."""

    path: str
    member: str = ""

    @property
    def label(self) -> str:
        """What a message or rejected.tsv calls it."""
        return f"{self.path}:{self.member}" if self.member else self.path


class ConvertJob(NamedTuple):
    """A recording, where it is written if it must change, the sample rate wanted (Hz), and the channel taken."""

    source: Source
    target: str
    rate: int
    channel: int = 0


class Converted(NamedTuple):
    """Where the recording lies now and its samples there, or the reason why it cannot be used."""

    path: str
    num_samples: int
    reason: str = ""


def convert_all(jobs: Sequence[ConvertJob], work_dir: Path, num_jobs: int, description: str) -> list[Converted]:
    """Convert ``jobs`` in parallel; what an earlier run did is kept, and files that are right are not rewritten.

    Args:
        jobs: the same ones in the same order as in the run that is resumed.
        work_dir: named after everything that the jobs depend on.
        num_jobs: processes.
        description: what the progress is called.
    """
    values = run_parts(_convert, jobs, work_dir, num_jobs, description, part_size=64)
    return [Converted(*value) for value in values]


def convert_groups(
    folder: Path,
    kinds: Sequence[str],
    sources: Mapping[str, Sequence[Source]],
    rate: int,
    num_jobs: int,
    description: str,
) -> dict[str, list[Converted]]:
    """Convert what belongs together, such as mixture and reference, to ``folder/<kind>/<key>.flac``.

    Args:
        folder: for the audio that must change.
        kinds: kinds of the recordings of a group, in their order.
        sources: ``{key: a recording a kind}``.
        rate: Hz.
        num_jobs: processes.
        description: what the progress is called.
    """
    jobs = [
        ConvertJob(source, str(folder / kind / f"{key}.flac"), rate)
        for key, group in sources.items()
        for kind, source in zip(kinds, group)
    ]
    results = iter(convert_all(jobs, folder / f".parts_{key_of(jobs)}", num_jobs, description))
    return {key: [next(results) for _ in group] for key, group in sources.items()}


def zip_audio(path: Path) -> dict[str, Source]:
    """Return ``{file stem: member}`` of the wav and flac files in a zip.

    Raises:
        UserError: the zip is cut short or damaged, or holds a name twice.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError) as error:
        raise UserError(f"{path}: not a complete zip ({error}); download it again") from None
    return _by_stem([Source(str(path), name) for name in names if _is_audio(Path(name))], path)


def folder_audio(path: Path) -> dict[str, Source]:
    """Return ``{file stem: file}`` of the wav and flac files below a folder.

    Raises:
        UserError: a name occurs twice.
    """
    return _by_stem([Source(str(file)) for file in sorted(path.rglob("*")) if _is_audio(file)], path)


def _is_audio(path: Path) -> bool:
    # Zips made on a Mac hold a second, hidden "._name.wav" for every file.
    return path.suffix.lower() in (".wav", ".flac") and not path.name.startswith(".")


def _by_stem(sources: Sequence[Source], where: Path) -> dict[str, Source]:
    found: dict[str, Source] = {}
    for source in sources:
        stem = Path(source.member or source.path).stem
        if stem in found:
            raise UserError(f"{where}: '{stem}' occurs twice ({found[stem].label}, {source.label}); remove one")
        found[stem] = source
    return found


@lru_cache(maxsize=4)
def _open_zip(path: str) -> zipfile.ZipFile:
    return zipfile.ZipFile(path)


def _read_member(source: Source) -> Any:
    try:
        content = _open_zip(source.path).read(source.member)  # checks the CRC
    except (zipfile.BadZipFile, EOFError, RuntimeError) as error:
        raise UserError(f"not readable as audio ({error})") from None
    return read_audio_bytes(content, Path(source.member).suffix)


def _convert(job: ConvertJob) -> Converted:
    try:
        if not job.source.member:
            num_samples, rate, channels = recording_info(job.source.path)
            if rate == job.rate and channels == 1:
                return Converted(job.source.path, num_samples)
            samples, rate = read_recording(job.source.path)
        else:
            samples, rate = _read_member(job.source)
            check_finite(samples, job.source.path)
        if samples.shape[1] <= job.channel:
            raise UserError(f"has {samples.shape[1]} channels, channel {job.channel + 1} is wanted")
        if not len(samples):
            raise UserError("empty, no samples")
    except UserError as error:
        return Converted(job.source.label, 0, str(error).replace(f"{job.source.path}: ", ""))
    speech = resample(samples[:, job.channel], rate, job.rate)
    write_audio(job.target, speech, job.rate)
    return Converted(job.target, len(speech))
