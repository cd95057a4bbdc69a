"""A signal like speech, for tests of everything that takes recordings."""

import numpy as np
import pytest

RATE = 16000
SENTENCE = "The weather was cold, and the children went home to read a good book about the sea."


def voice(num_samples: int, seed: int = 0, rate: int = RATE) -> np.ndarray:
    """Speech-like signal (num_samples,): gliding harmonics in bursts, RMS about 0.05."""
    rng = np.random.default_rng(seed)
    time = np.arange(num_samples) / rate
    pitch = rng.uniform(90, 220) * (1 + 0.1 * np.sin(2 * np.pi * 1.3 * time))
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    signal = sum(np.sin(k * phase + rng.uniform(0, 6)) / k for k in range(1, 12))
    burst = 0.55 + 0.45 * np.sin(2 * np.pi * 3.1 * time + rng.uniform(0, 6))
    return (0.05 * burst * signal).astype(np.float32)


def spoken(text: str = SENTENCE, voice: str = "en-us") -> np.ndarray:
    """Synthesised English ``(sample,)`` at 16 kHz; a test is skipped where eSpeak NG is not installed."""
    from espnet_codecse.corpus.synthesis import synthesise

    pytest.importorskip("espeakng_loader")
    return synthesise([{"voice": voice, "text": text, "rate": 150, "pitch": 50, "range": 50}], RATE)[0]
