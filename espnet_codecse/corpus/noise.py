"""Synthesised and altered noises, each a function of a random generator: the same bytes for the same seed."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from espnet_codecse.audio import resample
from espnet_codecse.corpus.mixing import fit_length, rms
from espnet_codecse.corpus.reverberation import random_room_response, reverberate
from espnet_codecse.equalization import equalised, random_gains_db

# Exponent of the power spectral density, 1 / f ** exponent.
COLOURS = {"white": 0.0, "pink": 1.0, "brown": 2.0}
LEVEL = 0.1  # root mean square of every noise, full scale is 1
# Of an altered noise: its fastest speed and the slowest's inverse, the deviation of its colour, how much one of two
# may be louder.
SPEED, COLOUR_DB, BALANCE_DB = 1.5, 5.0, 12.0
# Of a drifting noise: how often it changes, seconds; how far its level goes up and down.
DRIFT_SECONDS, DRIFT_DB = (1.0, 4.0), 8.0


def _level(signal: np.ndarray) -> np.ndarray:
    """Scale ``signal`` to the common level, or to a peak of 0.9 where that would clip."""
    gain = min(LEVEL / max(rms(signal), 1e-9), 0.9 / max(float(np.abs(signal).max()), 1e-9))
    return (gain * signal).astype(np.float32)


def coloured(rng: np.random.Generator, num_samples: int, rate: int, exponent: float) -> np.ndarray:
    """Gaussian noise ``(num_samples,)`` with a power spectral density of 1 / f ** ``exponent`` above 20 Hz."""
    spectrum = np.fft.rfft(rng.standard_normal(num_samples))
    frequency = np.maximum(np.fft.rfftfreq(num_samples, 1.0 / rate), 20.0)
    return _level(np.fft.irfft(spectrum * frequency ** (-exponent / 2), num_samples))


def hum(rng: np.random.Generator, num_samples: int, rate: int) -> np.ndarray:
    """Mains hum: 50 or 60 Hz with up to 30 harmonics, a slow drift, and a little broadband noise."""
    mains = float(rng.choice([50.0, 60.0]))
    time = np.arange(num_samples) / rate
    drift = 1.0 + 0.002 * np.sin(2 * np.pi * rng.uniform(0.05, 0.3) * time + rng.uniform(0, 2 * np.pi))
    phase = 2 * np.pi * mains * np.cumsum(drift) / rate
    return _level(_harmonics(rng, phase, mains, rate, 0.7, 30) + 0.05 * rng.standard_normal(num_samples))


def modulated(rng: np.random.Generator, num_samples: int, rate: int) -> np.ndarray:
    """Coloured noise whose amplitude follows a slow sine and random swells, as machines and wind do."""
    time = np.arange(num_samples) / rate
    frequency = rng.uniform(0.5, 8.0)
    depth = rng.uniform(0.5, 0.95)
    sine = 1.0 + depth * np.sin(2 * np.pi * frequency * time + rng.uniform(0, 2 * np.pi))
    corners = rng.uniform(0.2, 1.0, size=max(2, int(num_samples / rate) + 1))
    noise = coloured(rng, num_samples, rate, rng.uniform(0.0, 2.0))
    return _level(noise * sine * _joined(corners, num_samples))


def impulses(rng: np.random.Generator, num_samples: int, rate: int) -> np.ndarray:
    """Clicks and knocks: decaying bursts at random times over faint pink noise."""
    signal = 0.02 * coloured(rng, num_samples, rate, 1.0)
    for _ in range(max(4, rng.poisson(5.0 * num_samples / rate))):
        length = int(rate * rng.uniform(0.002, 0.08))
        start = int(rng.integers(num_samples))
        stop = min(start + length, num_samples)
        time = np.arange(stop - start) / rate
        burst = rng.standard_normal(stop - start) + np.sin(2 * np.pi * rng.uniform(200, 4000) * time)
        signal[start:stop] += rng.uniform(0.2, 1.0) * burst * np.exp(-5.0 * np.arange(stop - start) / length)
    return _level(signal)


def babble(rng: np.random.Generator, num_samples: int, speech: Sequence[np.ndarray]) -> np.ndarray:
    """Sum of ``speech``, one array ``(num_samples,)`` a voice, each from a random position on at its own level."""
    signal = np.zeros(num_samples)
    for voice in speech:
        signal += 10.0 ** (rng.uniform(-6.0, 0.0) / 20.0) * fit_length(_level(voice), num_samples, rng)
    return _level(signal)


def fan(rng: np.random.Generator, num_samples: int, rate: int) -> np.ndarray:
    """A fan: turbulent air of one colour, whose level follows the rotation, and harmonics of the passing blades."""
    rotation = rng.uniform(8.0, 40.0)
    blades = int(rng.integers(3, 12))
    time = np.arange(num_samples) / rate
    wobble = 0.01 * rng.uniform() * np.sin(2 * np.pi * rng.uniform(0.1, 0.5) * time)
    phase = 2 * np.pi * rotation * np.cumsum(1.0 + wobble) / rate
    air = coloured(rng, num_samples, rate, rng.uniform(0.5, 2.0))
    air = air * (1.0 + rng.uniform(0.0, 0.3) * np.sin(phase) + rng.uniform(0.0, 0.3) * np.sin(blades * phase))
    tones = _harmonics(rng, blades * phase, blades * rotation * 1.01, rate, rng.uniform(0.7, 1.5))
    return _level(_level(air) + rng.uniform(0.1, 1.0) * _level(tones))


def engine(rng: np.random.Generator, num_samples: int, rate: int) -> np.ndarray:
    """An engine: harmonics of a drifting speed, strokes of unequal strength, a random colour, and the road's noise."""
    lowest, highest = np.sort(rng.uniform(10.0, 60.0, 2))  # turns of the cycle per second
    speed = _drift(rng, num_samples, rate, lowest, highest)
    phase = 2 * np.pi * np.cumsum(speed) / rate
    strokes = int(rng.choice([1, 2, 3, 4, 6]))  # of a cycle; the harmonics between are those of unequal strokes
    tones = _harmonics(rng, strokes * phase, strokes * highest, rate, rng.uniform(0.5, 1.2))
    tones = _level(tones) + rng.uniform(0.05, 0.4) * _level(_harmonics(rng, phase, highest, rate, 0.8))
    tones = equalised(tones, rate, random_gains_db(rng, rate, COLOUR_DB))
    road = coloured(rng, num_samples, rate, rng.uniform(1.0, 2.0)) * speed / highest
    return _level(tones + rng.uniform(0.1, 1.5) * _level(road))


def crowd(rng: np.random.Generator, num_samples: int, rate: int, speech: Sequence[np.ndarray]) -> np.ndarray:
    """Babble whose voices each stand somewhere in a room that rings as long for all of them."""
    rt60 = rng.uniform(0.2, 0.8)
    voices = []
    for voice in speech:
        response, direct = random_room_response(rng, rate, (rt60, rt60))
        voices.append(reverberate(fit_length(voice, num_samples, rng), response, direct, rate)[0])
    return babble(rng, num_samples, voices)


def drifting(rng: np.random.Generator, num_samples: int, rate: int, recordings: Sequence[np.ndarray]) -> np.ndarray:
    """An altered noise (:func:`altered`) that moves between two colours, and whose level changes, over seconds."""
    noise = altered(rng, num_samples, rate, recordings)
    share = _drift(rng, num_samples, rate, 0.0, 1.0)
    first, second = (equalised(noise, rate, random_gains_db(rng, rate, COLOUR_DB)) for _ in range(2))
    gain = 10.0 ** (_drift(rng, num_samples, rate, -DRIFT_DB, DRIFT_DB) / 20.0)
    return _level(gain * (share * first + (1.0 - share) * second))


def _drift(rng: np.random.Generator, num_samples: int, rate: int, low: float, high: float) -> np.ndarray:
    """Return a curve ``(num_samples,)`` of straight lines between values from ``low`` to ``high``."""
    corners = rng.uniform(low, high, 2 + int(num_samples / rate / rng.uniform(*DRIFT_SECONDS)))
    return _joined(corners, num_samples)


def _joined(corners: np.ndarray, num_samples: int) -> np.ndarray:
    """Return straight lines ``(num_samples,)`` between equally spaced ``corners``."""
    return np.interp(np.linspace(0, len(corners) - 1, num_samples), np.arange(len(corners)), corners)


def _harmonics(
    rng: np.random.Generator, phase: np.ndarray, highest_hz: float, rate: int, slope: float, most: int = 40
) -> np.ndarray:
    """Return a tone of ``phase (num_samples,)`` and its harmonics, the nth of amplitude n^-``slope`` or less.

    There are at most ``most``, all below the Nyquist frequency for a fundamental of up to ``highest_hz``.
    """
    signal = np.zeros(len(phase))
    for harmonic in range(1, min(most + 1, int(0.45 * rate / highest_hz))):
        signal += rng.uniform(0.2, 1.0) / harmonic**slope * np.sin(harmonic * phase + rng.uniform(0, 2 * np.pi))
    return signal


def altered(rng: np.random.Generator, num_samples: int, rate: int, recordings: Sequence[np.ndarray]) -> np.ndarray:
    """Sum of noise ``recordings``, one array of any length each: another stretch, speed, direction, colour and balance.

    A model learns the spectra of few recordings by heart, and gains much less on others.
    """
    signal = np.zeros(num_samples)
    for recording in recordings:
        speed = SPEED ** rng.uniform(-1.0, 1.0)
        stretch = fit_length(recording, int(np.ceil(num_samples * speed)), rng)
        stretch = resample(stretch, round(rate * speed), rate)
        stretch = np.resize(stretch, num_samples)  # rounding may leave it a few samples short
        if rng.random() < 0.5:
            stretch = stretch[::-1]
        gain = 10.0 ** (rng.uniform(-BALANCE_DB, 0.0) / 20.0)
        signal += gain * _level(equalised(stretch, rate, random_gains_db(rng, rate, COLOUR_DB)))
    return _level(signal)


def simple_noises() -> dict[str, Callable[[np.random.Generator, int, int], np.ndarray]]:
    """Noises that need no speech: ``{kind: function(rng, num_samples, rate)}``."""
    noises: dict[str, Callable[[np.random.Generator, int, int], np.ndarray]] = {}
    for name, exponent in COLOURS.items():
        noises[name] = partial(coloured, exponent=exponent)
    noises.update(hum=hum, modulated=modulated, impulses=impulses)
    return noises


def machines() -> dict[str, Callable[[np.random.Generator, int, int], np.ndarray]]:
    """Further noises that need no speech, for training alone: ``{kind: function(rng, num_samples, rate)}``."""
    return {"fan": fan, "engine": engine}


def noise_kinds() -> list[str]:
    """Names of the kinds of a synthesised corpus."""
    return [*simple_noises(), "babble"]


def training_noise_kinds() -> list[str]:
    """Names of all kinds that can be synthesised for training; no test set has the further ones."""
    return [*noise_kinds(), *machines(), "crowd"]
