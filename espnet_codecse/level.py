"""The level of a whole recording, which a system needs however little of it is processed at once."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

# Recordings softer than this are not brought up: they would be noise of the converter.
LEAST_PEAK = 1e-4
_BLOCK = 1 << 20  # samples read at once


class Level(NamedTuple):
    """Level of a recording.

    Attributes:
        peak: largest absolute sample.
        power: mean of the squared samples.
    """

    peak: float
    power: float


def peak_gain(peak):
    """Return what brings recordings whose largest sample is ``peak``, a tensor, to a largest sample of 1."""
    return 1 / peak.clamp_min(LEAST_PEAK)


def measure_level(read: Callable[[int, int], np.ndarray], num_samples: int) -> Level:
    """Return the level of one channel; see :func:`measure_levels`.

    Args:
        read: ``read(start, count)`` gives ``(count,)`` samples.
        num_samples: samples of the recording.
    """
    return measure_levels(lambda start, count: read(start, count)[None], 1, num_samples)[0]


def measure_levels(read: Callable[[int, int], np.ndarray], num_channels: int, num_samples: int) -> list[Level]:
    """Return the level of each channel of a recording of any length, read once from beginning to end.

    Args:
        read: ``read(start, count)`` gives ``(channel, count)`` samples.
        num_channels: channels of the recording.
        num_samples: samples of each channel.
    """
    peaks, energies = np.zeros(num_channels), np.zeros(num_channels)
    for start in range(0, num_samples, _BLOCK):
        block = read(start, min(_BLOCK, num_samples - start)).astype(np.float64)
        peaks = np.maximum(peaks, np.abs(block).max(axis=1, initial=0.0))
        energies += np.square(block).sum(axis=1)
    return [Level(float(peak), float(energy) / max(num_samples, 1)) for peak, energy in zip(peaks, energies)]
