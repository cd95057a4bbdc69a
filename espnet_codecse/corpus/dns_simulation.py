"""Training clips of the DNS-Challenge: planned first, in one process, from a seed; rendered line by line, in parallel.

A line of the plan names more recordings than the clip needs, in the order of the shuffled list: as in the challenge's
script the next one takes the place of one that is clipped, and speech with too little activity is passed over.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from espnet_codecse.audio import resample, write_audio
from espnet_codecse.corpus.dns_layout import Room
from espnet_codecse.corpus.dns_rules import Filled, activity, fill, mix
from espnet_codecse.corpus.recording import read_recording
from espnet_codecse.corpus.reverberation import reverberate, with_unit_direct_path
from espnet_codecse.corpus.sources import SourceRecording
from espnet_codecse.errors import UserError

NUM_SPARE = 8  # further recordings of a line, for those that cannot be used
TARGETS = ("reverberant", "early", "dry")


@dataclass(frozen=True)
class DnsSimulation:
    """How clips are made.

    Attributes:
        rate: Hz.
        hours: hours of clips.
        clip_seconds: length of a clip.
        silence_seconds: between the recordings of a clip.
        snr_range: dB, whole numbers, both ends included.
        level_range: range of the mixture's level, dBFS, whole numbers, both ends included.
        min_activity: portion of a clip in which speech must be active.
        reverb_probability: portion of clips with a room response.
        reverb_target: reference of a reverberant clip: ``reverberant`` as in the challenge's test set, ``early`` (50 ms
            of reflections) or ``dry``.
        seed: seed of everything drawn.
    """

    rate: int = 16000
    hours: float = 100.0
    clip_seconds: float = 30.0
    silence_seconds: float = 0.2
    snr_range: tuple[int, int] = (-5, 20)
    level_range: tuple[int, int] = (-35, -15)
    min_activity: float = 0.6
    reverb_probability: float = 0.5
    reverb_target: str = "reverberant"
    seed: int = 0


class Clip(NamedTuple):
    """One line of the plan; ``snr`` in dB, ``level`` in dBFS."""

    name: str
    speaker: str
    speech: list[SourceRecording]
    noise: list[SourceRecording]
    room: Room | None
    snr: int
    level: int
    seed: list[int]


class _Shuffled:
    """Walks through recordings in random order: all of them once before any comes again."""

    def __init__(self, recordings: Sequence[SourceRecording], rng: np.random.Generator):
        self._recordings, self._rng = sorted(recordings), rng
        self._order: list[int] = []
        self._place = 0

    def take(self, seconds: float, silence: float) -> list[SourceRecording]:
        """Return recordings that last ``seconds`` with ``silence`` between them, and the spare ones behind them."""
        chosen: list[SourceRecording] = []
        total = 0.0
        while total < seconds:
            chosen.append(self._at(self._place))
            self._place += 1
            total += chosen[-1].seconds + silence
        return chosen + [self._at(self._place + number) for number in range(NUM_SPARE)]

    def _at(self, place: int) -> SourceRecording:
        while place >= len(self._order):
            self._order += [int(index) for index in self._rng.permutation(len(self._recordings))]
        return self._recordings[self._order[place]]


def plan_clips(
    speech: Sequence[SourceRecording], noise: Sequence[SourceRecording], rooms: Sequence[Room], settings: DnsSimulation
) -> list[Clip]:
    """Draw the clips, sorted by name ``<speaker>_fileid_<number>``; the speaker is that of the first recording."""
    count = max(2, round(settings.hours * 3600 / settings.clip_seconds))
    speech_list = _Shuffled(speech, np.random.default_rng([settings.seed, 0]))
    noise_list = _Shuffled(noise, np.random.default_rng([settings.seed, 1]))
    clips = []
    for number in range(count):
        chosen = speech_list.take(settings.clip_seconds, settings.silence_seconds)
        name = f"{chosen[0].group}_fileid_{number}"
        seed = [settings.seed, 2, zlib.crc32(name.encode())]
        rng = np.random.default_rng(seed)
        snr = int(rng.integers(settings.snr_range[0], settings.snr_range[1] + 1))
        level = int(rng.integers(settings.level_range[0], settings.level_range[1] + 1))
        room = None
        if rooms and rng.random() < settings.reverb_probability:
            room = rooms[int(rng.integers(len(rooms)))]
        noises = noise_list.take(settings.clip_seconds, settings.silence_seconds)
        clips.append(Clip(name, chosen[0].group, chosen, noises, room, snr, level, seed))
    return sorted(clips)


class RenderJob(NamedTuple):
    """One clip, the folder for its audio, and the settings it was planned with."""

    clip: Clip
    audio_dir: str
    settings: DnsSimulation


def render_clip(job: RenderJob) -> dict[str, Any]:
    """Write ``<audio_dir>/{mix,spk1,noise1}/<name>.flac``.

    Returns:
        ``{"reason": str or None, "paths": {table name: path}, "num_samples": int, "skipped": [(path, reason)]}``; a
        clip that cannot be made has a reason and no files.
    """
    clip, settings = job.clip, job.settings
    num_samples = int(settings.clip_seconds * settings.rate)
    try:
        speech, skipped = _speech(clip, num_samples, settings)
        noise = _fill(clip.noise, num_samples, settings, [*clip.seed, 1])
        skipped += noise.skipped
        heard, reference = speech, speech
        if clip.room is not None:
            heard, reference = _in_room(speech, clip.room, settings)
        signals = mix(heard, reference, noise.signal, clip.snr, clip.level, settings.rate)
    except (ValueError, UserError) as error:
        return {"reason": str(error), "paths": {}, "num_samples": 0, "skipped": []}
    paths = {}
    for kind, signal in zip(("mix", "spk1", "noise1"), signals):
        name = "wav.scp" if kind == "mix" else f"{kind}.scp"
        paths[name] = str(Path(job.audio_dir) / kind / f"{clip.name}.flac")
        write_audio(paths[name], signal, settings.rate)
    return {"reason": None, "paths": paths, "num_samples": num_samples, "skipped": skipped}


def _fill(recordings: Sequence[SourceRecording], num_samples: int, settings: DnsSimulation, seed: list[int]) -> Filled:
    def read(recording: SourceRecording, start: int, count: int) -> np.ndarray:
        samples, rate = read_recording(recording.path, start, count)
        return resample(samples.mean(axis=1), rate, settings.rate).astype(np.float64)

    silence = int(settings.silence_seconds * settings.rate)
    return fill(recordings, num_samples, settings.rate, silence, read, np.random.default_rng(seed))


def _speech(clip: Clip, num_samples: int, settings: DnsSimulation) -> tuple[np.ndarray, list[tuple[str, str]]]:
    """Return the first signal with enough speech in it, and the recordings that cannot be used."""
    first, most = 0, 0.0
    skipped: list[tuple[str, str]] = []
    while True:
        try:
            filled = _fill(clip.speech[first:], num_samples, settings, [*clip.seed, 0, first])
        except ValueError as error:
            wanted = f"{100 * settings.min_activity:.0f} % are needed"
            text = f"speech is active in {100 * most:.0f} % of it at most, {wanted}"
            raise ValueError(text if first else str(error)) from None
        portion = activity(filled.signal, settings.rate)
        skipped += filled.skipped
        if portion > settings.min_activity:
            return filled.signal, skipped
        most = max(most, portion)
        first += filled.num_seen


def _in_room(speech: np.ndarray, room: Room, settings: DnsSimulation) -> tuple[np.ndarray, np.ndarray]:
    """Return ``(reverberant speech, reference)`` aligned with ``speech``, all ``(num_samples,)``."""
    samples, rate = read_recording(room.path)
    if samples.shape[1] <= room.channel:
        raise UserError(f"{room.path}: has {samples.shape[1]} channels, channel {room.channel + 1} is wanted")
    response = resample(samples[:, room.channel], rate, settings.rate).astype(np.float64)
    response, direct = with_unit_direct_path(response, room.path)
    target = "dry" if settings.reverb_target == "reverberant" else settings.reverb_target
    heard, reference = reverberate(speech, response, direct, settings.rate, target)
    return heard, heard if settings.reverb_target == "reverberant" else reference
