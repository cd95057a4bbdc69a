"""Recordings for the training of the upper band."""

import logging
from pathlib import Path

import numpy as np

from espnet_codecse.audio import resample
from espnet_codecse.corpus.recording import read_recording
from espnet_codecse.corpus.sources import audio_files
from espnet_codecse.errors import UserError
from espnet_codecse.high_band.simulate import NARROW_RATE, RATE

LEAST_RATE = 44100  # Hz


def read_full_band(folder: Path, option: str) -> list[np.ndarray]:
    """Return the first channel of each recording at 48 kHz, ``(sample,)``.

    Raises:
        UserError: there is no recording at 44.1 kHz or more, or one is not readable.
    """
    return _read(folder, option, LEAST_RATE, RATE)


def read_narrow(folder: Path) -> list[np.ndarray]:
    """Return the first channel of each recording at 16 kHz, ``(sample,)``.

    Raises:
        UserError: there is no recording at 16 kHz or more, or one is not readable.
    """
    return _read(folder, "--narrow_speech", NARROW_RATE, NARROW_RATE)


def _read(folder: Path, option: str, least_rate: int, rate: int) -> list[np.ndarray]:
    signals, left_out = [], []
    for path in audio_files(folder):
        samples, own_rate = read_recording(path)
        if own_rate < least_rate:
            left_out.append(path)
        else:
            signals.append(resample(samples[:, 0], own_rate, rate))
    if left_out:
        logging.info(
            "%s: %d recordings below %d Hz left out, such as %s", option, len(left_out), least_rate, left_out[0]
        )
    if not signals:
        raise UserError(f"{option} {folder}: no recording at {least_rate} Hz or more; give another folder")
    return signals
