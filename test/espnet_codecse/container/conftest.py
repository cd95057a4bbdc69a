"""Recordings whose headers are then changed."""

import numpy as np
import pytest
import soundfile


@pytest.fixture
def write(tmp_path):
    """The function ``write(name, num_samples, rate, channels, **options)``, which returns ``(path, bytes)``."""

    def write(name, num_samples=16000, rate=16000, channels=1, **options):
        time = np.arange(num_samples) / rate
        samples = np.stack([0.4 * np.sin(2 * np.pi * (300 + 100 * index) * time) for index in range(channels)], axis=1)
        path = tmp_path / name
        soundfile.write(path, samples, rate, **options)
        return path, path.read_bytes()

    return write
