"""A speech corpus from nothing: eSpeak NG speakers and synthesised noises, in the layout of a corpus with given splits.

``<root>/<split>/speech/<speaker>/<utterance>.flac`` and ``<root>/<split>/noise/<kind>_<number>.flac``. The voices of
the splits are disjoint: a voice is an accent and a voice variant, with its own pitch, range and rate.
"""

import json
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from espnet_codecse.audio import resample, write_audio
from espnet_codecse.corpus.espeak import SAMPLE_RATE
from espnet_codecse.corpus.noise import altered, babble, crowd, drifting, machines, noise_kinds, simple_noises
from espnet_codecse.corpus.parallel import run_parts
from espnet_codecse.corpus.recording import read_recording_channel
from espnet_codecse.errors import UserError

ACCENTS = ("en-us", "en", "en-gb-scotland", "en-gb-x-rp", "en-gb-x-gbcwmd", "en-gb-x-gbclan", "en-029", "en-us-nyc")
# Natural variants only (no whisper, robots or demons); those of one split occur in no other.
VARIANTS = {
    "train": "m1 m2 m3 m4 m5 m7 f1 f2 f3 f4 Alex Andy Annie Diogo Gene Lee Mario Michael Reed Alicia "
    "adam anika benjamin caleb david edward grandma ian john linda max norbert paul robert steph victor",
    "valid": "m6 f5 Andrea Hugo belinda steph2",
    "test": "m8 Denis Jacky Nguyen Marco aunty iven quincy steph3 travis zac rob",
}
# Speakers, utterances a speaker, noise recordings.
SIZES = {"train": (36, 4, 28), "valid": (6, 3, 7), "test": (8, 5, 14)}
SPLIT_SEED = {"train": 1, "valid": 2, "test": 3}
NOISE_SECONDS = 8.0
NUM_BABBLE_VOICES = 5
MADE_OF_RECORDINGS = {"crowd": crowd, "altered": altered, "drifting": drifting}

_WHO = (
    "the captain, my sister, an old farmer, the young doctor, nobody, every child, our neighbour, the tall man, "
    "a stranger, the last driver, her uncle, the quiet teacher, a visitor, the new engineer, his daughter, the baker"
)
_DID = (
    "found, carried, painted, forgot, described, sold, repaired, opened, measured, borrowed, watched, counted, moved, "
    "bought, hid, cleaned"
)
_WHAT = (
    "seven wooden boxes, a yellow bicycle, the kitchen window, three cups of tea, the broken engine, a letter from "
    "France, some fresh bread, the heavy chair, a map of the valley, both silver keys, the garden fence, a piece of "
    "chalk, their old photographs, the narrow bridge, a loud whistle, fourteen green apples"
)
_WHERE = (
    "near the harbour, before breakfast, in the cold rain, with great care, behind the church, on Thursday evening, "
    "without a word, during the storm, at the station, under the thick snow, for a small price, after the show, "
    "in just one hour, beside the river, while it was dark, once again"
)


class Utterance(NamedTuple):
    """One sentence of one voice: where it is written and the request for eSpeak NG."""

    path: str
    request: dict[str, Any]


class NoiseJob(NamedTuple):
    """One noise: where it is written, its kind, the files that it is made of, seed, length, Hz."""

    path: str
    kind: str
    recordings: list[str]
    seed: list[int]
    seconds: float
    rate: int


def sentence(rng: np.random.Generator) -> str:
    """A random English sentence of two to four seconds."""
    words = [str(rng.choice(choices.split(", "))) for choices in (_WHO, _DID, _WHAT, _WHERE)]
    return " ".join(words) + "."


def speakers(split: str, num_speakers: int, seed: int) -> list[tuple[str, dict[str, Any]]]:
    """Return ``(speaker id, voice settings)`` of ``num_speakers`` voices that only ``split`` has."""
    rng = np.random.default_rng([seed, SPLIT_SEED[split]])
    variants = VARIANTS[split].split()
    rng.shuffle(variants)
    voices = []
    for number in range(num_speakers):
        variant = variants[number % len(variants)]
        settings = {
            "voice": f"{rng.choice(ACCENTS)}+{variant}",
            "rate": int(rng.integers(135, 195)),
            "pitch": int(rng.integers(25, 75)),
            "range": int(rng.integers(30, 70)),
        }
        voices.append((f"espeak_{split}{number:02d}{variant.lower()}", settings))
    return voices


def synthesise(requests: list[dict[str, Any]], rate: int) -> list[np.ndarray]:
    """Say ``requests`` in one fresh process; each result is ``(num_samples,)`` float32 at ``rate`` Hz.

    Raises:
        UserError: eSpeak NG is not installed or failed.
    """
    process = subprocess.run(
        [sys.executable, "-m", "espnet_codecse.corpus.espeak"],
        input=json.dumps(requests).encode(),
        capture_output=True,
        check=False,
    )
    if process.returncode != 0:
        reason = process.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no message"]
        raise UserError(f"eSpeak NG: {reason[0]}; install it with: pip install espeakng-loader, or give --clean_dir")
    output, position = [], 0
    for _ in requests:
        (num_samples,) = struct.unpack_from("<q", process.stdout, position)
        samples = np.frombuffer(process.stdout, "<i2", num_samples, position + 8)
        position += 8 + 2 * num_samples
        output.append(resample(samples.astype(np.float32) / 32768.0, SAMPLE_RATE, rate))
    return output


def _write_speaker(job: tuple[list[Utterance], int]) -> int:
    """Synthesise and write the sentences of one voice; returns how many."""
    utterances, rate = job
    for utterance, samples in zip(utterances, synthesise([item.request for item in utterances], rate)):
        write_audio(utterance.path, 0.9 * samples / max(1.0, float(np.abs(samples).max())), rate)
    return len(utterances)


def write_noise(job: NoiseJob) -> str:
    """Write one noise recording; returns the path."""
    rng = np.random.default_rng(job.seed)
    num_samples = int(job.seconds * job.rate)
    recordings = [read_recording_channel(path, job.rate) for path in job.recordings]
    if job.kind == "babble":
        noise = babble(rng, num_samples, recordings)
    elif job.kind in MADE_OF_RECORDINGS:
        noise = MADE_OF_RECORDINGS[job.kind](rng, num_samples, job.rate, recordings)
    else:
        noise = (simple_noises() | machines())[job.kind](rng, num_samples, job.rate)
    write_audio(job.path, noise, job.rate)
    return job.path


def write_corpus(
    root: Path, rate: int, seed: int, num_jobs: int, sizes: dict[str, tuple[int, int, int]] = SIZES
) -> None:
    """Write the synthetic corpus below ``root``; parts written by an earlier run are kept.

    Args:
        root: folder to write.
        rate: sample rate, Hz.
        seed: seed of train and valid; the test split is the same for every seed.
        num_jobs: processes.
        sizes: speakers, utterances a speaker and noise recordings of each split.
    """
    if (root / ".done").is_file():
        return
    speech_jobs, noise_jobs = [], []
    for split, (num_speakers, num_utterances, num_noises) in sizes.items():
        split_seed = 0 if split == "test" else seed
        rng = np.random.default_rng([split_seed, SPLIT_SEED[split], 1])
        paths: list[str] = []
        for speaker, settings in speakers(split, num_speakers, split_seed):
            utterances = []
            for number in range(num_utterances):
                path = str(root / split / "speech" / speaker / f"{number:03d}.flac")
                utterances.append(Utterance(path, {**settings, "text": sentence(rng)}))
                paths.append(path)
            speech_jobs.append((utterances, rate))
        kinds = noise_kinds()
        for number in range(num_noises):
            kind = kinds[number % len(kinds)]
            # Voices of different speakers: a speaker's utterances follow each other in the list.
            chosen = rng.permutation(num_speakers)[:NUM_BABBLE_VOICES] * num_utterances
            voices = [paths[index + int(rng.integers(num_utterances))] for index in chosen]
            path = str(root / split / "noise" / f"{kind}_{number:02d}.flac")
            noise_seed = [split_seed, SPLIT_SEED[split], 2, number]
            noise_jobs.append(NoiseJob(path, kind, voices, noise_seed, NOISE_SECONDS, rate))
    run_parts(_write_speaker, speech_jobs, root / ".parts" / "speech", num_jobs, "synthesise speech", part_size=4)
    run_parts(write_noise, noise_jobs, root / ".parts" / "noise", num_jobs, "synthesise noise", part_size=8)
    (root / ".done").touch()
