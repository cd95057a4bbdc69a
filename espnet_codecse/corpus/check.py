"""Check every utterance of a data directory and bring it to one rate and one channel.

Audio that is already right (one channel, the wanted rate, any format that soundfile reads, not a segment of a
recording) is never rewritten: the table keeps its path. What cannot be used goes to ``rejected.tsv`` with id, path and
reason.
"""

import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from espnet_codecse.audio import audio_info, read_audio, resample, write_audio
from espnet_codecse.corpus.data_dir import is_audio_table, read_data_dir, reject_pipe, write_data_dir
from espnet_codecse.corpus.parallel import read_done, run_parts, write_json
from espnet_codecse.corpus.recording import NOT_FINITE
from espnet_codecse.corpus.segments import Segment, by_utterance, read_segments
from espnet_codecse.errors import UserError
from espnet_codecse.fileio import atomic_path, file_stem, make_folder, remove_file, remove_temporary_below
from espnet_codecse.identity import file_state
from espnet_codecse.job.array import Share, Submit

# A run of this many samples at full scale is clipping; a single peak that touches full scale is not.
CLIPPED_RUN = 4
FULL_SCALE = 0.999


@dataclass(frozen=True)
class FormatSettings:
    """What an utterance must be.

    Attributes:
        rate: sample rate, Hz.
        ref_channel: channel kept of a recording with several, from 0.
        min_samples: shortest usable mixture in samples at ``rate`` (one codec frame).
        min_duration, max_duration: range of accepted durations, seconds; 0 for no limit.
        num_references: ``spk1.scp`` ... ``spkN.scp`` that must be there.
    """

    rate: int = 16000
    ref_channel: int = 0
    min_samples: int = 1
    min_duration: float = 0.0
    max_duration: float = 0.0
    num_references: int = 0


class Job(NamedTuple):
    """One utterance: its id, ``{table name: path}`` of its audio, the folder for rewritten audio, the settings.

    With ``segment``, the paths are recordings of which it is a stretch.
    """

    utterance: str
    paths: dict[str, str]
    data_dir: str
    settings: FormatSettings
    segment: Segment | None = None


class Rejected(Exception):
    """An utterance that cannot be used; the message is the reason."""


def is_clipped(samples: np.ndarray) -> bool:
    """Whether ``samples (num_samples,)`` hold a run of ``CLIPPED_RUN`` samples at full scale."""
    loud = np.abs(samples) >= FULL_SCALE
    if np.count_nonzero(loud) < CLIPPED_RUN:
        return False
    return bool((np.convolve(loud, np.ones(CLIPPED_RUN, dtype=int)) >= CLIPPED_RUN).any())


def _load(name: str, path: str, settings: FormatSettings, segment: Segment | None) -> tuple[np.ndarray, bool]:
    """Return ``(samples (num_samples,) at settings.rate, whether they differ from the file)``."""
    what = name[: -len(".scp")] if name != "wav.scp" else "mixture"
    if not Path(path).is_file():
        raise Rejected(f"{what}: no such file")
    if os.path.getsize(path) == 0:
        raise Rejected(f"{what}: empty file")
    try:
        start, num_samples = (0, -1) if segment is None else segment.samples(*audio_info(path)[:2])
        samples, rate = read_audio(path, start, num_samples)
    except ValueError as error:
        raise Rejected(f"{what}: {error}") from error
    except UserError as error:
        detail = str(error)[len(path) + 2 :]
        raise Rejected(f"{what}: {' '.join(detail.split())}") from error
    if len(samples) == 0:
        raise Rejected(f"{what}: empty, no samples")
    if not np.isfinite(samples).all():
        raise Rejected(f"{what}: {NOT_FINITE}")
    channels = samples.shape[1]
    if channels > 1 and settings.ref_channel >= channels:
        raise Rejected(f"{what}: no channel {settings.ref_channel}, it has {channels}")
    mono = samples[:, settings.ref_channel if channels > 1 else 0]
    if not name.startswith("noise") and not mono.any():
        raise Rejected(f"{what}: all samples are zero")
    if name.startswith("spk") and is_clipped(mono):
        raise Rejected(f"{what}: clipped reference")
    return resample(mono, rate, settings.rate), channels > 1 or rate != settings.rate or segment is not None


def check_utterance(job: Job) -> dict[str, Any]:
    """Check one utterance and rewrite what must change.

    Returns:
        ``{"reason": str or None, "path": str, "paths": {table: path}, "num_samples": int, "rewritten": int}``
        (``num_samples`` at the settings' rate; ``path`` is the offending file).
    """
    settings = job.settings
    path = job.paths.get("wav.scp", "")
    try:
        loaded: dict[str, tuple[np.ndarray, bool]] = {}
        for name in sorted(job.paths, key=lambda name: (name != "wav.scp", name)):
            path = job.paths[name]
            if not path:
                raise Rejected("missing mixture" if name == "wav.scp" else f"missing reference: no line in {name}")
            loaded[name] = _load(name, path, settings, job.segment)
            num_samples = len(loaded["wav.scp"][0])
            if len(loaded[name][0]) != num_samples:
                lengths = f"{len(loaded[name][0])} samples, the mixture has {num_samples}"
                raise Rejected(f"{name[:-4]}: length mismatch, {lengths}")
        path = job.paths["wav.scp"]
        seconds = num_samples / settings.rate
        if num_samples < settings.min_samples:
            raise Rejected(f"mixture: shorter than one frame, {num_samples} of {settings.min_samples} samples")
        if settings.min_duration and seconds < settings.min_duration:
            raise Rejected(f"mixture: shorter than {settings.min_duration:g} s ({seconds:.2f} s)")
        if settings.max_duration and seconds > settings.max_duration:
            raise Rejected(f"mixture: longer than {settings.max_duration:g} s ({seconds:.2f} s)")
    except Rejected as error:
        return {"reason": str(error), "path": path, "paths": {}, "num_samples": 0, "rewritten": 0}
    paths = dict(job.paths)
    for name, (samples, changed) in loaded.items():
        if changed:
            target = Path(job.data_dir) / name[: -len(".scp")] / f"{file_stem(job.utterance)}.flac"
            # Resampling overshoots at full scale; 16-bit flac would wrap or clip silently otherwise.
            write_audio(target, np.clip(samples, -1.0, 1.0 - 2**-15), settings.rate)
            paths[name] = str(target)
    rewritten = sum(changed for _, changed in loaded.values())
    return {"reason": None, "path": path, "paths": paths, "num_samples": num_samples, "rewritten": rewritten}


def _fingerprint(
    tables: Mapping[str, Mapping[str, str]], settings: FormatSettings, segments: Mapping[str, Segment] | None
) -> str:
    """Return a hash of the settings, the tables and the state of every audio file."""
    made_of = [asdict(settings), tables, *([segments] if segments else [])]
    digest = hashlib.sha256(json.dumps(made_of, sort_keys=True).encode())
    for name in sorted(filter(is_audio_table, tables)):
        for path in tables[name].values():
            try:
                digest.update(f"{file_state(path)};".encode())
            except OSError:
                digest.update(b"missing;")
    return digest.hexdigest()[:16]


def format_data_dir(
    source: Path,
    target: Path,
    settings: FormatSettings = FormatSettings(),
    num_jobs: int = 1,
    expected_count: int | None = None,
    share: Share | None = None,
    submit: Submit | None = None,
) -> str:
    """Write the checked copy ``target`` of the data directory ``source`` and return a summary line.

    With ``share`` only that share of the utterances is checked and no list is written; ``submit`` runs all shares as
    jobs before (see ``espnet_codecse.job.array``).

    Raises:
        UserError: a table is malformed or holds an id twice, a value is a pipe, ``expected_count`` differs from
            the number of utterances, a reference table is missing, or no utterance can be used.
    """
    tables = read_data_dir(source)
    required = ["utt2spk"] + [f"spk{number}.scp" for number in range(1, settings.num_references + 1)]
    for name in required:
        if name not in tables:
            raise UserError(f"{source}: no {name} in it; write one line for each utterance of wav.scp")
    audio_names = [name for name in tables if is_audio_table(name)]
    for name in audio_names:
        for utterance, value in tables[name].items():
            reject_pipe(Path(source) / name, utterance, value)
    segments = read_segments(source)
    if segments is None:
        utterances = sorted(set().union(*(tables[name] for name in audio_names)))
    else:
        utterances = sorted(segments)
        tables = {
            name: by_utterance(table, segments) if name in audio_names else table for name, table in tables.items()
        }
    count = len(tables["wav.scp"])
    if expected_count is not None and count != expected_count:
        raise UserError(f"{source}/wav.scp: {count} utterances, expected {expected_count}; is the corpus complete?")
    key = _fingerprint(tables, settings, segments)
    done = target / ".done"
    before = read_done(done)
    if before.get("key") == key:
        return f"{before['summary']} (skipped: done by an earlier run)"
    remove_file(done)

    data_dir = str(target / "data")
    jobs = [
        Job(
            utterance,
            {name: tables[name].get(utterance, "") for name in audio_names},
            data_dir,
            settings,
            None if segments is None else segments[utterance],
        )
        for utterance in utterances
    ]
    work_dir = target / ".parts" / key
    results = run_parts(
        check_utterance, jobs, work_dir, num_jobs, f"format {source}", share=share or (1, 1), submit=submit
    )
    if share is not None:
        return f"{target}: part {share[0]} of {share[1]} is done"
    summary = _write(source, target, tables, dict(zip(utterances, results)), settings.rate)
    write_json(done, {"key": key, "summary": summary})
    shutil.rmtree(target / ".parts", ignore_errors=True)
    remove_temporary_below(target)
    return summary


def _write(
    source: Path, target: Path, tables: Mapping[str, Mapping[str, str]], results: Mapping[str, Mapping], rate: int
) -> str:
    rejected = {utterance: result for utterance, result in results.items() if result["reason"] is not None}
    kept = [utterance for utterance in results if utterance not in rejected]
    for utterance in list(kept):
        if utterance not in tables["utt2spk"]:
            rejected[utterance] = {"path": tables["wav.scp"][utterance], "reason": "no line in utt2spk"}
            kept.remove(utterance)
    make_folder(target)
    with atomic_path(target / "rejected.tsv") as temporary:
        lines = [f"{utterance}\t{item['path']}\t{item['reason']}\n" for utterance, item in sorted(rejected.items())]
        temporary.write_text("id\tpath\treason\n" + "".join(lines), encoding="utf-8")
    if not kept:
        first = next(iter(rejected.values()), {"reason": "it is empty"})["reason"]
        raise UserError(
            f"{source}: none of its {len(results)} utterances can be used (first: {first}); "
            f"see {target}/rejected.tsv and correct them"
        )
    output: dict[str, dict[str, Any]] = {}
    for name, table in tables.items():
        if is_audio_table(name):
            output[name] = {utterance: results[utterance]["paths"][name] for utterance in kept}
        else:
            # A side table may lack a line (a category, say); writing it short would break the directory for all.
            if all(utterance in table for utterance in kept):
                output[name] = {utterance: table[utterance] for utterance in kept}
    output["utt2fs"] = dict.fromkeys(kept, rate)
    output["utt2num_samples"] = {utterance: results[utterance]["num_samples"] for utterance in kept}
    write_data_dir(target, output)
    seconds = sum(output["utt2num_samples"].values()) / rate
    rewritten = sum(results[utterance]["rewritten"] for utterance in kept)
    text = f"{target}: {len(kept)} of {len(results)} utterances, {seconds / 60:.1f} min, {rewritten} files rewritten"
    if rejected:
        reasons: list[tuple[str, int]] = Counter(_kind(item["reason"]) for item in rejected.values()).most_common()
        listed = ", ".join(f"{number} x {reason}" for reason, number in reasons)
        text += f", {len(rejected)} rejected ({listed}), see {target}/rejected.tsv"
    return text


def _kind(reason: str) -> str:
    """The reason without the figures of one utterance, so that equal reasons are counted together."""
    return reason.split(" (")[0].split(", ")[0].split(" at ")[0]
