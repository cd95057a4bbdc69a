"""Training mixtures of the URGENT 2024 challenge: speech in a room, with noise, then band-limited, clipped or neither.

The rules are the challenge's (conf/simulation_train.yaml and its scripts): SNR of -5 to 20 dB between the parts that
are not silent, a room response with probability 0.5 whose first 50 ms stay in the reference, one of three last
distortions with equal weights, peak at 0.9. Every mixture has a seed of its own, so that any part of the set, in any
number of processes, has the same mixtures.
"""

import zlib
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from espnet_codecse.audio import resample, write_audio
from espnet_codecse.corpus.sources import SourceRecording
from espnet_codecse.corpus.urgent_rules import (
    RESAMPLERS,
    active_power,
    clip,
    in_room,
    limit_bandwidth,
    read_noise,
    read_speech,
)
from espnet_codecse.errors import UserError
from espnet_codecse.fileio import file_stem

DISTORTIONS = ("none", "bandwidth", "clipping")
BANDWIDTHS = (8000, 16000, 22050, 24000, 32000, 44100, 48000)  # sample rates in Hz that a mixture is limited to
PEAK = 0.9


@dataclass(frozen=True)
class UrgentSimulation:
    """How mixtures are made.

    Attributes:
        rate: sample rate of the codec, Hz.
        keep_rates: mix and write at the rate of the speech, not at the codec's.
        snr_range: dB.
        reverb_probability: portion of mixtures with a room response.
        clip_low, clip_high: ranges of the quantiles that a clipped mixture is cut at.
        seed: seed of everything drawn.
    """

    rate: int = 16000
    keep_rates: bool = False
    snr_range: tuple[float, float] = (-5.0, 20.0)
    reverb_probability: float = 0.5
    clip_low: tuple[float, float] = (0.0, 0.1)
    clip_high: tuple[float, float] = (0.9, 1.0)
    seed: int = 0

    def mixing_rate(self, rate: int) -> int:
        """Return the rate (Hz) at which speech of ``rate`` is mixed.

        Narrow-band speech is mixed with narrow-band noise before all of it is brought to the codec's rate, or the
        empty upper band would tell speech from noise.
        """
        return rate if self.keep_rates else min(rate, self.rate)

    def output_rate(self, rate: int) -> int:
        """Return the rate (Hz) at which a mixture of speech of ``rate`` is written."""
        return rate if self.keep_rates else self.rate


class Speech(NamedTuple):
    """Clean speech: speaker, file, its rate (Hz), and the half of the data (0 or 1) that it belongs to."""

    speaker: str
    path: str
    rate: int
    half: int


class Mixture(NamedTuple):
    """A line of the plan; ``room`` is empty without reverberation, ``low`` and ``high`` are quantiles."""

    name: str
    speaker: str
    speech: str
    rate: int
    noise: str
    room: str
    snr: float
    distortion: str
    low: float
    high: float
    bandwidth: int
    resampler: str
    seed: list[int]


class _ByRate:
    """Recordings by their sample rate: one at random of those that reach a rate."""

    def __init__(self, recordings: Sequence[SourceRecording]):
        self._sorted = sorted(recordings, key=lambda item: (item.rate, item.name))
        self._rates = [item.rate for item in self._sorted]

    def draw(self, rate: int, rng: np.random.Generator) -> str:
        """Return a file whose rate is ``rate`` Hz or more; empty when there is none."""
        first = bisect_left(self._rates, rate)
        return self._sorted[int(rng.integers(first, len(self._sorted)))].path if first < len(self._sorted) else ""


def plan_mixtures(
    speech: Mapping[str, Speech],
    noise: Sequence[Sequence[SourceRecording]],
    rooms: Sequence[SourceRecording],
    settings: UrgentSimulation,
) -> list[Mixture]:
    """Draw a mixture for each of ``speech``, in its order; ``noise`` is that of the two halves."""
    noises, responses = [_ByRate(half) for half in noise], _ByRate(rooms)
    plan = []
    for name, item in speech.items():
        seed = [settings.seed, zlib.crc32(name.encode())]
        rng = np.random.default_rng(seed)
        rate = settings.mixing_rate(item.rate)
        snr = round(float(rng.uniform(*settings.snr_range)), 2)
        low, high = (round(float(rng.uniform(*ends)), 4) for ends in (settings.clip_low, settings.clip_high))
        room = responses.draw(rate, rng) if rng.random() < settings.reverb_probability else ""
        distortion = DISTORTIONS[int(rng.integers(len(DISTORTIONS)))]
        lower = [choice for choice in BANDWIDTHS if choice < rate]
        bandwidth = lower[int(rng.integers(len(lower)))] if lower else 0
        if distortion == "bandwidth" and not bandwidth:
            distortion = "none"  # nothing is narrower
        resampler = RESAMPLERS[int(rng.integers(len(RESAMPLERS)))]
        plan.append(
            Mixture(
                name,
                item.speaker,
                item.path,
                item.rate,
                noises[item.half].draw(rate, rng),
                room,
                snr,
                distortion,
                low,
                high,
                bandwidth,
                resampler,
                seed,
            )
        )
    return plan


class RenderJob(NamedTuple):
    """One mixture, the folder for its audio, and the settings it was planned with."""

    mixture: Mixture
    audio_dir: str
    settings: UrgentSimulation


def audio_paths(audio_dir: str, mixture: Mixture) -> dict[str, str]:
    """Return ``{table name: file}`` of a mixture: one folder per speaker, since a million files in one are slow."""
    folder, file = file_stem(mixture.speaker), f"{mixture.name}.flac"
    kinds = {"wav.scp": "mix", "spk1.scp": "spk1", "noise1.scp": "noise1"}
    return {table: str(Path(audio_dir) / kind / folder / file) for table, kind in kinds.items()}


def render_mixture(job: RenderJob) -> dict[str, Any]:
    """Write mixture, reference and noise; the mixture is their sum only without reverberation and last distortion.

    Returns:
        ``{"reason": str, "path": offending file, "num_samples": int}``; what cannot be made has a reason and no files.
    """
    mixture, settings = job.mixture, job.settings
    rng = np.random.default_rng([*mixture.seed, 1])
    rate, output_rate = settings.mixing_rate(mixture.rate), settings.output_rate(mixture.rate)
    path = mixture.speech
    try:
        heard = reference = read_speech(mixture.speech, mixture.rate, rate)
        if mixture.room:
            path = mixture.room
            heard, reference = in_room(heard, mixture.room, rate)
        path = mixture.noise or mixture.speech
        if not mixture.noise:
            raise ValueError(f"there is no noise recording of {rate} Hz or more for it")
        noise = read_noise(mixture.noise, len(heard), rate, rng)
        noise *= 10.0 ** (-mixture.snr / 20.0) * np.sqrt(active_power(heard) / active_power(noise))
    except (ValueError, UserError) as error:
        return {"reason": str(error).replace(f"{path}: ", ""), "path": path, "num_samples": 0}
    noisy = heard + noise
    if mixture.distortion == "clipping":
        noisy = clip(noisy, mixture.low, mixture.high)
    elif mixture.distortion == "bandwidth":
        noisy = limit_bandwidth(noisy, rate, mixture.bandwidth, mixture.resampler)
    signals = [noisy, reference, noise]
    signals = [resample(signal, rate, output_rate) for signal in signals]
    gain = PEAK / max(float(np.abs(signal).max()) for signal in signals)
    for file, signal in zip(audio_paths(job.audio_dir, mixture).values(), signals):
        write_audio(file, gain * signal, output_rate)
    return {"reason": "", "path": "", "num_samples": len(signals[0])}
