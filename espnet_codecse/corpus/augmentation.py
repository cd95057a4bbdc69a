"""More to mix training speech with than was recorded: synthesised and altered noises, babble, simulated rooms."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from espnet_codecse.audio import audio_info, write_audio
from espnet_codecse.corpus.parallel import run_parts
from espnet_codecse.corpus.prepared_set import key_of
from espnet_codecse.corpus.reverberation import random_room_response
from espnet_codecse.corpus.sources import SourceRecording
from espnet_codecse.corpus.synthesis import NOISE_SECONDS, NoiseJob, write_noise

# Fewest and most speakers.
BABBLE_VOICES, CROWD_VOICES = (3, 8), (3, 20)


class RoomJob(NamedTuple):
    """A room response to simulate: where it is written, the generator's seed, Hz, range of RT60 in seconds."""

    path: str
    seed: list[int]
    rate: int
    rt60_range: tuple[float, float]


def extra_noises(
    target: Path,
    speech: Sequence[SourceRecording],
    kinds: Sequence[str],
    count: int,
    rate: int,
    seed: int,
    num_jobs: int,
) -> list[SourceRecording]:
    """Write ``count`` noises of ``kinds`` in turn below ``target``; what is there already is kept.

    Args:
        target: where to write a folder that is named after the other arguments.
        speech: recordings of the split that the noises are for, whose speakers babble; of other splits none may be.
        kinds: some of :func:`~espnet_codecse.corpus.noise.training_noise_kinds`.
        count: noises.
        rate: Hz.
        seed: the same noises for the same seed.
        num_jobs: processes.
    """
    by_speaker: dict[str, list[str]] = {}
    for item in speech:
        by_speaker.setdefault(item.group, []).append(item.path)
    speakers = sorted(by_speaker)
    folder = target / f"extra_noise_{key_of([by_speaker, list(kinds), count, rate, seed])}"
    jobs = []
    for number in range(count):
        rng = np.random.default_rng([seed, 5, number])
        kind = kinds[number % len(kinds)]
        fewest, most = CROWD_VOICES if kind == "crowd" else BABBLE_VOICES
        num_voices = min(int(rng.integers(fewest, most + 1)), len(speakers))
        chosen = rng.choice(len(speakers), num_voices, replace=False)
        voices = [str(rng.choice(by_speaker[speakers[index]])) for index in chosen]
        path = str(folder / f"synthesised_{kind}_{number:04d}.flac")
        jobs.append(NoiseJob(path, kind, voices, [seed, 6, number], NOISE_SECONDS, rate))
    run_parts(write_noise, jobs, folder / ".parts", num_jobs, "synthesise noise", part_size=8)
    return [SourceRecording(Path(job.path).stem, job.kind, job.path, audio_info(job.path)[0], rate) for job in jobs]


def altered_noises(
    target: Path,
    noise: Sequence[SourceRecording],
    drift_probability: float,
    count: int,
    rate: int,
    seed: int,
    num_jobs: int,
) -> list[SourceRecording]:
    """Write ``count`` variants of recorded noises, every second one of a pair, below ``target``; what is there is kept.

    Args:
        target: where to write a folder that is named after the other arguments.
        noise: recordings of the split that the variants are for. A recording is chosen as often as the root of its
            length: an hour of one place has more to give than a second, but is one noise all the same.
        drift_probability: share of variants whose colour and level change over time.
        count: variants.
        rate: Hz.
        seed: the same variants for the same seed.
        num_jobs: processes.
    """
    folder = target / f"altered_noise_{key_of([[item.path for item in noise], drift_probability, count, rate, seed])}"
    weight = np.sqrt([item.num_samples / item.rate for item in noise])
    jobs, groups = [], []
    for number in range(count):
        rng = np.random.default_rng([seed, 8, number])
        indices = rng.choice(len(noise), min(1 + number % 2, len(noise)), replace=False, p=weight / weight.sum())
        chosen = [noise[index] for index in indices]
        groups.append("+".join(item.group for item in chosen))
        kind = "drifting" if rng.random() < drift_probability else "altered"
        path, paths = str(folder / f"altered_{number:04d}.flac"), [item.path for item in chosen]
        jobs.append(NoiseJob(path, kind, paths, [seed, 9, number], NOISE_SECONDS, rate))
    run_parts(write_noise, jobs, folder / ".parts", num_jobs, "alter noise", part_size=16)
    return [
        SourceRecording(Path(job.path).stem, group, job.path, audio_info(job.path)[0], rate)
        for job, group in zip(jobs, groups)
    ]


def room_responses(
    target: Path, count: int, rate: int, rt60_range: tuple[float, float], seed: int, num_jobs: int
) -> list[SourceRecording]:
    """Write ``count`` responses of random rooms below ``target``, for dynamic mixing (ESPnet's ``--rir_scp``)."""
    folder = target / f"rooms_{key_of([count, rate, rt60_range, seed])}"
    jobs = [
        RoomJob(str(folder / f"room_{number:04d}.wav"), [seed, 7, number], rate, rt60_range) for number in range(count)
    ]
    run_parts(_write_response, jobs, folder / ".parts", num_jobs, "simulate rooms", part_size=8)
    return [SourceRecording(Path(job.path).stem, "room", job.path, audio_info(job.path)[0], rate) for job in jobs]


def _write_response(job: RoomJob) -> Any:
    response, _ = random_room_response(np.random.default_rng(job.seed), job.rate, job.rt60_range)
    # The direct path is 1, and a later reflection may be larger.
    write_audio(job.path, 0.9 * response / np.abs(response).max(), job.rate, subtype="PCM_24")
    return job.path
