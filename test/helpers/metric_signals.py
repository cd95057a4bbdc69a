"""Signals on which metrics are tested, and a metric's value for them."""

import numpy as np

from espnet_codecse.metrics.abs_metric import Signals
from espnet_codecse.metrics.registry import family_of

RATE = 16000


def speech_like(seconds=3.0, seed=0):
    """Harmonics of a gliding pitch with syllables of 4 Hz: enough for PESQ and STOI to find speech."""
    random = np.random.default_rng(seed)
    time = np.arange(int(seconds * RATE)) / RATE
    phase = 2 * np.pi * np.cumsum(120 + 30 * np.sin(2 * np.pi * 0.7 * time + seed)) / RATE
    voice = sum(np.cos(k * phase + seed) / k for k in range(1, 30))
    envelope = np.clip(np.sin(2 * np.pi * 2.0 * time), 0, 1) ** 0.5
    return (0.05 * voice * envelope + 1e-4 * random.normal(size=len(time))).astype(np.float32)


def noisy(speech, snr_db=5.0, seed=1):
    noise = np.random.default_rng(seed).normal(size=len(speech))
    noise *= np.sqrt(np.mean(speech**2) / np.mean(noise**2) / 10 ** (snr_db / 10))
    return (speech + noise).astype(np.float32)


def score(name, reference, estimate, rate=RATE):
    family = family_of(name)()
    family.load()
    return family.compute(Signals(estimate, rate, reference))[name]
