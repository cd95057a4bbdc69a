"""Pairs of noisy and clean recordings in two folders, as ``codecse benchmark quality`` takes them."""

from pathlib import Path

import numpy as np

from espnet_codecse.audio import write_audio
from espnet_codecse.corpus.mixing import add_noise, set_level

LEVEL_DB = -26.0  # dBFS, of the mixture


def write_pair(
    folder: Path, name: str, speech: np.ndarray, noise: np.ndarray, snr_db: float, rate: int, rng: np.random.Generator
) -> None:
    """Mix and write ``noisy/<name>.wav`` and ``clean/<name>.wav``.

    Args:
        folder: folder of the two folders.
        name: of the recordings.
        speech, noise: each ``(sample,)``; see :func:`espnet_codecse.corpus.mixing.add_noise`.
        snr_db: energy ratio of speech to noise.
        rate: sample rate, Hz.
        rng: draws the position in the noise.
    """
    mixture, _ = add_noise(speech, noise, snr_db, rng)
    mixture, (clean,) = set_level(mixture, [speech], LEVEL_DB)
    for kind, signal in (("noisy", mixture), ("clean", clean)):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        write_audio(folder / kind / f"{name}.wav", signal, rate)
