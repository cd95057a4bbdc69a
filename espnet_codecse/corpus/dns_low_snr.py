"""A test set at low SNRs: the official clips, each with its own noise, louder."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from espnet_codecse.audio import write_audio
from espnet_codecse.corpus.convert import Source
from espnet_codecse.corpus.mixing import level_db, noise_gain, set_level
from espnet_codecse.corpus.parallel import run_parts
from espnet_codecse.corpus.prepared_set import key_of, write_prepared_set
from espnet_codecse.corpus.recording import read_recording_channel
from espnet_codecse.errors import UserError
from espnet_codecse.fileio import remove_temporary_below

NAME = "low_snr"
SNRS = (-10, -5, 0, 5)  # dB, in turn


class RemixJob(NamedTuple):
    """One clip: its official recordings, and what it becomes; ``snr`` in dB, ``rate`` in Hz."""

    name: str
    noisy: str
    clean: str
    snr: int
    rate: int
    audio_dir: str


def remix_clip(job: RemixJob) -> dict[str, Any]:
    """Write ``<audio_dir>/{mix,spk1,noise1}/<name>.flac``: the clip's noise is what its speech leaves of it.

    Returns:
        ``{"reason": str or None, "num_samples": int}``; a clip that cannot be made has a reason and no files.
    """
    try:
        noisy, clean = (read_recording_channel(path, job.rate).astype(np.float64) for path in (job.noisy, job.clean))
        if len(noisy) != len(clean):
            raise ValueError(f"noisy has {len(noisy)} samples, clean {len(clean)}")
        noise = (noisy - clean) * noise_gain(clean, noisy - clean, job.snr)
        mixture, parts = set_level(clean + noise, [clean, noise], level_db(noisy))
    except (ValueError, UserError) as error:
        return {"reason": str(error), "num_samples": 0}
    for kind, signal in zip(("mix", "spk1", "noise1"), (mixture, *parts)):
        write_audio(_path(job, kind), signal, job.rate)
    return {"reason": None, "num_samples": len(mixture)}


def remix_tests(target: Path, pairs: Mapping[str, tuple[Source, ...]], rate: int, num_jobs: int) -> str:
    """Write ``target/low_snr`` of ``{id: (noisy, clean)}``; what an earlier run did is kept. Returns a line."""
    key = key_of([rate, SNRS, {name: [source.path for source in sources] for name, sources in pairs.items()}])
    audio_dir = target / "audio" / f"{NAME}_{key}"
    jobs = [
        RemixJob(name, str(sources[0].path), str(sources[1].path), SNRS[number % len(SNRS)], rate, str(audio_dir))
        for number, (name, sources) in enumerate(sorted(pairs.items()))
    ]
    results = run_parts(remix_clip, jobs, audio_dir / ".parts", num_jobs, f"mix {NAME}", part_size=16)
    remove_temporary_below(audio_dir)
    return write_prepared_set(target / NAME, *_tables(jobs, results))


def _tables(jobs: Sequence[RemixJob], results: Sequence[dict[str, Any]]):
    made = [(job, result) for job, result in zip(jobs, results) if result["reason"] is None]
    rejected = [(job.name, job.noisy, result["reason"]) for job, result in zip(jobs, results) if result["reason"]]
    tables: dict[str, dict[str, Any]] = {
        table: {job.name: _path(job, kind) for job, _ in made}
        for table, kind in (("wav.scp", "mix"), ("spk1.scp", "spk1"), ("noise1.scp", "noise1"))
    }
    tables["utt2spk"] = {job.name: job.name for job, _ in made}
    tables["utt2fs"] = {job.name: job.rate for job, _ in made}
    tables["utt2num_samples"] = {job.name: result["num_samples"] for job, result in made}
    tables["utt2snr"] = {job.name: job.snr for job, _ in made}
    return tables, rejected


def _path(job: RemixJob, kind: str) -> str:
    return str(Path(job.audio_dir) / kind / f"{job.name}.flac")
