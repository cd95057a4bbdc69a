"""How the DNS-Challenge makes a noisy clip of clean speech and noise (2005.13981 and the challenge's scripts).

A clip is filled with recordings one after the other, 0.2 s of silence between them; of one that is too long a random
stretch is taken, a clipped one is passed over. Speech must be active in 60 % of a clip. The SNR is that of the levels
in the 100 ms windows in which the noise is active. The challenge's mixer then applies its noise gain to signals that
were already brought to one level, which shifts the SNR by the difference of their levels; here the SNR is the one
asked for.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from espnet_codecse.corpus.mixing import MAX_PEAK, rms, set_level
from espnet_codecse.corpus.recording import NOT_FINITE
from espnet_codecse.corpus.sources import SourceRecording
from espnet_codecse.errors import UserError

ACTIVE_WINDOW = 0.1  # seconds
ACTIVE_POWER = 10.0**-2.5  # of a window, relative to the squared peak of the noise
# Meter of speech activity: power of 50 ms windows at -25 dBFS, through a logistic function, smoothed: fast up and slow
# down.
METER_WINDOW = 0.05  # seconds
METER_RATE = 16000  # Hz, at which the energy of a window has the challenge's value
METER_LEVEL = -25.0  # dBFS
METER_OFFSET, METER_SLOPE = -1.0, 0.2  # slope per dB of twice the level
METER_UP, METER_DOWN = 0.8, 0.05
METER_THRESHOLD = 0.13


class Filled(NamedTuple):
    """A clip's signal (num_samples,), ``(path, reason)`` of the recordings passed over, and how many were seen."""

    signal: np.ndarray
    skipped: list[tuple[str, str]]
    num_seen: int


def fill(
    recordings: Sequence[SourceRecording],
    num_samples: int,
    rate: int,
    silence: int,
    read: Callable[[SourceRecording, int, int], np.ndarray],
    rng: np.random.Generator,
) -> Filled:
    """Fill a clip with ``recordings`` in their order.

    Args:
        recordings: more than are needed, in case some are clipped.
        num_samples: samples of the clip, at ``rate`` Hz.
        rate: Hz.
        silence: between two recordings, samples at ``rate``.
        read: ``read(recording, first sample, number of samples)``, both at the recording's own rate, gives
            ``(num_samples,)`` at ``rate``.
        rng: chooses the stretch of a recording that is too long.

    Raises:
        ValueError: the usable recordings do not fill the clip.
    """
    signal, place = np.zeros(num_samples), 0
    skipped: list[tuple[str, str]] = []
    for number, recording in enumerate(recordings, 1):
        wanted = -(-(num_samples - place) * recording.rate // rate)  # rounded up
        spare = recording.num_samples - wanted
        start = int(rng.integers(spare + 1)) if spare > 0 else 0
        try:
            stretch = read(recording, start, min(wanted, recording.num_samples))[: num_samples - place]
        except UserError as error:
            skipped.append((recording.path, str(error).replace(f"{recording.path}: ", "")))
            continue
        if not np.isfinite(stretch).all() or not stretch.any():
            reason = NOT_FINITE if stretch.any() else "silent in the stretch drawn"
            skipped.append((recording.path, reason))
            continue
        if np.abs(stretch).max() > MAX_PEAK:
            skipped.append((recording.path, "clipped"))
            continue
        signal[place : place + len(stretch)] = stretch
        place += len(stretch) + silence
        if place >= num_samples:
            return Filled(signal, skipped, number)
    reason = f" ({skipped[0][0]}: {skipped[0][1]})" if skipped else ""
    raise ValueError(f"{len(recordings)} recordings do not fill the clip, {len(skipped)} are not usable{reason}")


def activity(speech: np.ndarray, rate: int) -> float:
    """Return the portion (0 to 1) of 50 ms windows of ``speech (num_samples,)`` in which speech is active."""
    level = rms(speech)
    if level == 0:
        return 0.0
    window = int(METER_WINDOW * rate)
    normalized = speech * (10.0 ** (METER_LEVEL / 20.0) / level)
    edges = np.arange(0, len(normalized), window)
    energy = np.add.reduceat(normalized**2, edges) * (METER_RATE / rate)
    likely = 1.0 / (1.0 + np.exp(-(METER_OFFSET + METER_SLOPE * 20.0 * np.log10(energy + np.finfo(float).eps))))
    before = np.concatenate([[0.0], likely[:-1]])
    weight = np.where(likely > before, METER_UP, METER_DOWN)
    return float(np.mean(weight * likely + (1.0 - weight) * before > METER_THRESHOLD))


def active_rms(speech: np.ndarray, noise: np.ndarray, rate: int) -> tuple[float, float]:
    """Return the RMS of both, ``(num_samples,)``, over the 100 ms windows in which the noise is active."""
    window = int(ACTIVE_WINDOW * rate)
    edges = np.arange(0, len(noise), window)
    power = np.add.reduceat(noise**2, edges) / np.diff(np.append(edges, len(noise)))
    active = power > ACTIVE_POWER * np.abs(noise).max() ** 2
    chosen = np.repeat(active, window)[: len(noise)]
    if not chosen.any() or not speech[chosen].any():
        return rms(speech), rms(noise)  # a single click; or speech only where the noise is not
    return rms(speech[chosen]), rms(noise[chosen])


def mix(
    speech: np.ndarray, reference: np.ndarray, noise: np.ndarray, snr: float, level: float, rate: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return ``(mixture, reference, noise)`` at their levels, all ``(num_samples,)``.

    Args:
        speech: as it is in the mixture.
        reference: reference of the speech, scaled with it.
        noise: noise at any level.
        snr: dB.
        level: level of the mixture, dBFS; lower where a signal would clip.
        rate: Hz.

    Raises:
        ValueError: one of the signals is silent.
    """
    speech_rms, noise_rms = active_rms(speech, noise, rate)
    if speech_rms == 0 or noise_rms == 0:
        raise ValueError(f"{'speech' if speech_rms == 0 else 'noise'} is silent")
    noise = noise * (speech_rms / noise_rms * 10.0 ** (-snr / 20.0))
    mixture, (reference, noise) = set_level(speech + noise, [reference, noise], level)
    return mixture, reference, noise
