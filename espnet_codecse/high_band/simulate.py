"""Full-band mixtures for training, also from speech at 16 kHz, whose upper band is simulated."""

from collections.abc import Sequence

import numpy as np

from espnet_codecse.audio import resample, to_length
from espnet_codecse.corpus.mixing import add_noise, rms, set_level
from espnet_codecse.corpus.noise import coloured
from espnet_codecse.corpus.urgent_rules import limit_bandwidth
from espnet_codecse.high_band.bands import RANGE_DB, Bands, decibel

RATE, NARROW_RATE = 48000, 16000  # Hz
PAUSE_SECONDS = (0.1, 1.0)  # between utterances
SNR_DB = (-5.0, 25.0)
LEVEL_DB = (-45.0, -15.0)  # of the mixture, relative to full scale
CLEAN_SHARE = NOISE_SHARE = 0.06  # of the mixtures, which have no noise, or no speech
# Of the mixtures with noise, whose noise is the hiss of a microphone or a tape, and the fall of its spectrum.
HISS_SHARE, HISS_EXPONENT = 0.25, (0.0, 1.5)
# Of the clean speech that has a noise floor, as recordings do, and its level relative to speech.
FLOOR_SHARE, FLOOR_DB = 0.7, (-90.0, -55.0)


class Extension:
    """Extends speech at 16 kHz to 48 kHz by noise whose levels follow the band below, as in full-band speech.

    What is above 8 kHz in speech are mostly fricatives, which are noise. A linear map from the levels of the bands
    below to those above is fitted, and what it leaves unexplained is drawn from the same speech.

    Args:
        speech: full-band utterances at 48 kHz, each ``(sample,)``.
    """

    def __init__(self, speech: Sequence[np.ndarray]):
        self._bands = Bands(RATE)
        low, high = zip(*(self._levels(utterance) for utterance in speech))
        inputs, targets = np.concatenate(low), np.concatenate(high)
        self._map, *_ = np.linalg.lstsq(_with_one(inputs), targets, rcond=None)
        self._residuals = targets - _with_one(inputs) @ self._map

    def _levels(self, utterance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return levels ``(frame, low band)`` and ``(frame, high band)`` in dB relative to the highest low one."""
        low, highest = self._low_levels(utterance)
        upper = utterance - limit_bandwidth(utterance, RATE, NARROW_RATE, "soxr")
        (spectra,) = self._bands.spectra(upper[:, None].astype(np.float64))
        return low, np.maximum(decibel(self._bands.high_powers(spectra)) - highest, -RANGE_DB - 20.0)

    def _low_levels(self, utterance: np.ndarray) -> tuple[np.ndarray, float]:
        """Return levels ``(frame, low band)`` in dB relative to the highest one, and that one in dB."""
        (spectra,) = self._bands.spectra(utterance[:, None].astype(np.float64))
        low = decibel(self._bands.low_powers(spectra))
        highest = float(low.max(initial=-RANGE_DB))
        return np.maximum(low - highest, -RANGE_DB), highest

    def __call__(self, speech: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return ``speech (sample,)`` at 16 kHz as ``(sample,)`` at 48 kHz with an upper band."""
        wide = resample(speech.astype(np.float32), NARROW_RATE, RATE)
        low, highest = self._low_levels(wide)
        if not len(low):
            return wide
        first = int(rng.integers(len(self._residuals)))
        residuals = np.take(self._residuals, np.arange(first, first + len(low)), axis=0, mode="wrap")
        levels = _with_one(low) @ self._map + residuals + highest
        noise = self._bands.spectra(rng.standard_normal((len(wide), 1)))
        noise[:, :, : self._bands.high_begin] = 0.0
        missing = levels - decibel(self._bands.high_powers(noise[0]).mean(axis=0))
        upper, tail = self._bands.overlap_add(noise * self._bands.gains_of_bins(10.0 ** (missing / 20.0)))
        return wide + to_length(np.concatenate([upper[:, 0], tail[0]]), len(wide)).astype(np.float32)


def _with_one(levels: np.ndarray) -> np.ndarray:
    return np.concatenate([levels, np.ones((len(levels), 1))], axis=1)


class Mixtures:
    """Draws mixtures of speech and noise at 48 kHz.

    Args:
        speech: full-band utterances at 48 kHz.
        narrow_speech: utterances at 16 kHz.
        noises: recordings at 48 kHz.
        extension: extends ``narrow_speech``.
        wide_share: share of the mixtures with full-band utterances.
        seconds: length of a mixture.
    """

    def __init__(
        self,
        speech: Sequence[np.ndarray],
        narrow_speech: Sequence[np.ndarray],
        noises: Sequence[np.ndarray],
        extension: Extension,
        wide_share: float = 0.3,
        seconds: float = 5.0,
    ):
        self._speech, self._narrow, self._noises = speech, narrow_speech, noises
        self._wide_share = wide_share if narrow_speech else 1.0
        self._num_samples = round(seconds * RATE)
        self._extension = extension

    def draw(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Return ``(mixture, clean)``, both ``(sample,)``."""
        clean, kind = self._utterances(rng), rng.random()
        noise = np.zeros_like(clean)
        if kind >= CLEAN_SHARE:
            _, noise = add_noise(clean, self._noise(rng), rng.uniform(*SNR_DB), rng)
        if kind >= 1.0 - NOISE_SHARE:
            clean = np.zeros_like(clean)
        elif rng.random() < FLOOR_SHARE:
            clean += 10.0 ** (rng.uniform(*FLOOR_DB) / 20.0) * rng.standard_normal(len(clean))
        mixture, (clean,) = set_level(clean + noise, [clean], rng.uniform(*LEVEL_DB))
        return mixture.astype(np.float32), clean.astype(np.float32)

    def _noise(self, rng: np.random.Generator) -> np.ndarray:
        """Return a recording ``(sample,)``, or hiss, of which corpora of noise have little."""
        if rng.random() < HISS_SHARE:
            return coloured(rng, self._num_samples, RATE, rng.uniform(*HISS_EXPONENT))
        return self._noises[int(rng.integers(len(self._noises)))].astype(np.float64)

    def _utterances(self, rng: np.random.Generator) -> np.ndarray:
        """Return utterances of one kind with pauses between them."""
        wide = rng.random() < self._wide_share
        signal = np.zeros(self._num_samples)
        position = round(rng.uniform(0.0, PAUSE_SECONDS[1]) * RATE)
        while position < len(signal):
            pool = self._speech if wide else self._narrow
            utterance = pool[int(rng.integers(len(pool)))]
            utterance = utterance if wide else self._extension(utterance, rng)
            utterance = utterance[: len(signal) - position] / rms(utterance)
            signal[position : position + len(utterance)] = utterance
            position += len(utterance) + round(rng.uniform(*PAUSE_SECONDS) * RATE)
        return signal
