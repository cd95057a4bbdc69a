"""Fixtures of all tests: audio is generated, never read from a corpus."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import settings

from espnet_codecse.corpus.data_dir import write_data_dir

# A time limit for each example would fail on a busy machine without telling anything about the code.
settings.register_profile("codecse", deadline=None)
settings.load_profile("codecse")

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


@pytest.fixture
def make_data_dir(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a consistent data directory of ``num_utterances`` one-second mixtures."""

    def make(name: str = "data", num_utterances: int = 3) -> Path:
        path = tmp_path / name
        tables: dict[str, dict[str, str]] = {"wav.scp": {}, "spk1.scp": {}, "utt2spk": {}}
        for number in range(num_utterances):
            utterance = f"spk{number % 2}_utt{number}"
            for table, seed in (("wav.scp", 10 + number), ("spk1.scp", number)):
                audio = tmp_path / f"{name}_audio" / table / f"{utterance}.wav"
                audio.parent.mkdir(parents=True, exist_ok=True)
                soundfile.write(audio, voice(RATE, seed), RATE)
                tables[table][utterance] = str(audio)
            tables["utt2spk"][utterance] = f"spk{number % 2}"
        write_data_dir(path, tables)
        return path

    return make


@pytest.fixture(name="voice")
def voice_function() -> Callable[..., np.ndarray]:
    """The function ``voice(num_samples, seed, rate)``."""
    return voice
