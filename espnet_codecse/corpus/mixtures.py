"""Plan and render mixtures: which speech meets which noise at which SNR, level and room, and the audio of it.

The plan is made first, in one process, from a seed; rendering one mixture depends on its line of the plan alone, so
that the audio is the same for any number of processes and after any interruption.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from espnet_codecse.audio import write_audio
from espnet_codecse.corpus.mixing import add_noise, add_speaker, rms, set_level
from espnet_codecse.corpus.recording import read_recording_channel
from espnet_codecse.corpus.reverberation import random_room_response, reverberate, with_unit_direct_path
from espnet_codecse.corpus.sources import SourceRecording
from espnet_codecse.errors import UserError
from espnet_codecse.rumble import remove_rumble

TEST_SNRS = (-5.0, 0.0, 5.0, 10.0, 15.0)
TEST_RATIOS = (-5.0, -2.5, 0.0, 2.5, 5.0)
# Of a recording of hours only a stretch is read.
MAX_NOISE_SECONDS = 60.0
MAX_NOISE_WEIGHT_SECONDS = 30.0


@dataclass(frozen=True)
class MixtureSettings:
    """How mixtures are drawn.

    Attributes:
        rate: sample rate, Hz.
        num_speakers: 1 (enhancement) or more (separation).
        snr_range: speech (all speakers) to noise, dB, uniform.
        ratio_range: first to each other speaker, dB, uniform.
        level_range: level of the mixture, dBFS (root mean square), uniform.
        noise_probability: portion of mixtures that have noise.
        reverb_probability: portion of mixtures in a room.
        rooms: paths of recorded room responses; without any, rooms are simulated.
        rt60_range: seconds.
        reverb_target: ``dry`` or ``early``, see reverberation.py.
        max_duration: longer speech is cut at a random position, seconds; 0 for no limit.
        cycle: test protocol: every utterance once and uncut, SNR and ratio cycling through fixed values.
        test_snrs: those values of the SNR, dB.
        seed: seed of everything drawn.
    """

    rate: int = 16000
    num_speakers: int = 1
    snr_range: tuple[float, float] = (-5.0, 20.0)
    ratio_range: tuple[float, float] = (-5.0, 5.0)
    level_range: tuple[float, float] = (-35.0, -15.0)
    noise_probability: float = 1.0
    reverb_probability: float = 0.0
    rooms: tuple[str, ...] = ()
    rt60_range: tuple[float, float] = (0.15, 0.6)
    reverb_target: str = "dry"
    max_duration: float = 0.0
    cycle: bool = False
    test_snrs: tuple[float, ...] = TEST_SNRS
    seed: int = 0


class Stretch(NamedTuple):
    """Part of a recording: its path, first sample and number of samples at its own rate."""

    path: str
    start: int
    num_samples: int


class Mixture(NamedTuple):
    """One line of the plan. ``snr`` (dB) is None without noise, ``ratio`` (dB) without another speaker."""

    name: str
    speaker: str
    speech: list[Stretch]
    noise: Stretch | None
    noise_kind: str
    snr: float | None
    ratio: float | None
    level: float
    reverberant: bool
    seed: list[int]


def may_mix(first: str, second: str) -> bool:
    """Whether two speaker folders surely hold different people.

    A folder named ``<corpus>_unknown`` may hold any speaker of that corpus, so it is mixed with other corpora only.
    """
    if first == second:
        return False
    if first.split("_")[0] == second.split("_")[0]:
        return not (first.endswith("unknown") or second.endswith("unknown"))
    return True


def _stretch(recording: SourceRecording, seconds: float, rng: np.random.Generator) -> Stretch:
    """A random stretch of at most ``seconds`` (0: all of it) of ``recording``."""
    limit = int(seconds * recording.rate) if seconds else recording.num_samples
    if recording.num_samples <= limit:
        return Stretch(recording.path, 0, recording.num_samples)
    return Stretch(recording.path, int(rng.integers(recording.num_samples - limit + 1)), limit)


def _draw(rng: np.random.Generator, limits: tuple[float, float]) -> float:
    return round(float(rng.uniform(*limits)), 1)


def plan_mixtures(
    speech: Sequence[SourceRecording],
    noise: Sequence[SourceRecording],
    settings: MixtureSettings,
    num_mixtures: int = 0,
) -> list[Mixture]:
    """Draw ``num_mixtures`` mixtures (0: every utterance once); every utterance occurs equally often, give or take one.

    Raises:
        UserError: more speakers are wanted than there are (or only unidentified ones).
    """
    utterances = sorted(speech)
    plan: list[Mixture] = []
    count = num_mixtures if num_mixtures and not settings.cycle else len(utterances)
    order: list[int] = []
    shuffle = np.random.default_rng([settings.seed, 0])
    while len(order) < count:
        order += (
            list(range(len(utterances))) if count == len(utterances) else list(shuffle.permutation(len(utterances)))
        )
    noises = [sorted(noise)[index] for index in shuffle.permutation(len(noise))]
    # Long recordings hold more different noise than short ones and are drawn more often.
    weights = np.array([min(item.seconds, MAX_NOISE_WEIGHT_SECONDS) for item in noises])
    weights /= weights.sum()
    max_duration = 0.0 if settings.cycle else settings.max_duration
    for number, index in enumerate(order[:count]):
        first = utterances[index]
        copy = number // len(utterances)
        name = first.name if settings.cycle else f"{first.name}_{copy}"
        # A seed by name: the mixture does not change when utterances are added elsewhere.
        seed = [settings.seed, zlib.crc32(name.encode())]
        rng = np.random.default_rng(seed)
        stretches, speaker, ratio = [_stretch(first, max_duration, rng)], first.group, None
        if settings.num_speakers > 1:
            groups, names = [first.group], [name]
            while len(groups) < settings.num_speakers:
                others = [item for item in utterances if all(may_mix(group, item.group) for group in groups)]
                if not others:
                    known = "' and '".join(groups)
                    raise UserError(
                        f"{first.path}: no other speaker to mix with '{known}'; its split needs at least "
                        f"{settings.num_speakers} that may be mixed, add speakers to it"
                    )
                other = others[int(rng.integers(len(others)))]
                stretches.append(_stretch(other, max_duration, rng))
                groups.append(other.group)
                names.append(other.name)
            speaker = "_".join(groups)
            name = "_".join([speaker, *names])
            ratio = TEST_RATIOS[number % len(TEST_RATIOS)] if settings.cycle else _draw(rng, settings.ratio_range)
        snr = noise_stretch = None
        kind = ""
        if rng.random() < settings.noise_probability:
            source = noises[number % len(noises) if settings.cycle else int(rng.choice(len(noises), p=weights))]
            noise_stretch, kind = _stretch(source, MAX_NOISE_SECONDS, rng), source.group
            snrs = settings.test_snrs
            snr = snrs[number % len(snrs)] if settings.cycle else _draw(rng, settings.snr_range)
        level = _draw(rng, settings.level_range)
        reverberant = bool(rng.random() < settings.reverb_probability)
        plan.append(Mixture(name, speaker, stretches, noise_stretch, kind, snr, ratio, level, reverberant, seed))
    return plan


class RenderJob(NamedTuple):
    """One mixture, the folder for its audio, and the settings it was planned with."""

    mixture: Mixture
    audio_dir: str
    settings: MixtureSettings


def _read(stretch: Stretch, settings: MixtureSettings) -> np.ndarray:
    samples = read_recording_channel(stretch.path, settings.rate, stretch.start, stretch.num_samples)
    # Networks are given speech without rumble. The test set never changes.
    return (samples if settings.cycle else remove_rumble(samples, settings.rate)).astype(np.float64)


def _room_response(rng: np.random.Generator, settings: MixtureSettings) -> tuple[np.ndarray, int]:
    """Return a response with a direct path of 1, and the sample of the direct path."""
    if not settings.rooms:
        return random_room_response(rng, settings.rate, settings.rt60_range)
    path = settings.rooms[int(rng.integers(len(settings.rooms)))]
    return with_unit_direct_path(read_recording_channel(path, settings.rate), path)


def render_mixture(job: RenderJob) -> dict[str, Any]:
    """Write ``<audio_dir>/{mix,spk1,spk2,noise1}/<name>.flac``; mixture = references + noise unless reverberant.

    Returns:
        ``{"reason": str or None, "paths": {table name: path}, "num_samples": int}``; a mixture that cannot be made
        (silent or damaged recording) has a reason and no files.
    """
    mixture, settings = job.mixture, job.settings
    rng = np.random.default_rng([*mixture.seed, 1])
    try:
        signals = [_read(stretch, settings) for stretch in mixture.speech]
        if any(rms(signal) == 0 for signal in signals):
            raise ValueError("speech is silent")
        for number in range(1, len(signals)):
            signals[number] = add_speaker(signals[0], signals[number], mixture.ratio or 0.0, rng)
        references, heard = signals, signals
        if mixture.reverberant:
            pairs = []
            for signal in signals:
                response, direct = _room_response(rng, settings)
                pairs.append(reverberate(signal, response, direct, settings.rate, settings.reverb_target))
            heard, references = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        total = np.sum(heard, axis=0)
        parts = list(references)
        if mixture.noise is not None:
            total, noise = add_noise(total, _read(mixture.noise, settings), mixture.snr or 0.0, rng)
            parts.append(noise)
        total, parts = set_level(total, parts, mixture.level)
    except (ValueError, UserError) as error:
        return {"reason": str(error), "paths": {}, "num_samples": 0}
    names = ["wav.scp"] + [f"spk{number + 1}.scp" for number in range(len(references))]
    names += ["noise1.scp"] if mixture.noise is not None else []
    paths = {}
    for name, signal in zip(names, [total, *parts]):
        folder = "mix" if name == "wav.scp" else name[: -len(".scp")]
        paths[name] = str(Path(job.audio_dir) / folder / f"{mixture.name}.flac")
        write_audio(paths[name], signal, settings.rate)
    return {"reason": None, "paths": paths, "num_samples": len(total)}
