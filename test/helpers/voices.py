"""A signal like speech, for tests of everything that takes recordings."""

import numpy as np

RATE = 16000


def voice(num_samples: int, seed: int = 0, rate: int = RATE) -> np.ndarray:
    """Speech-like signal (num_samples,): gliding harmonics in bursts, RMS about 0.05."""
    rng = np.random.default_rng(seed)
    time = np.arange(num_samples) / rate
    pitch = rng.uniform(90, 220) * (1 + 0.1 * np.sin(2 * np.pi * 1.3 * time))
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    signal = sum(np.sin(k * phase + rng.uniform(0, 6)) / k for k in range(1, 12))
    burst = 0.55 + 0.45 * np.sin(2 * np.pi * 3.1 * time + rng.uniform(0, 6))
    return (0.05 * burst * signal).astype(np.float32)
