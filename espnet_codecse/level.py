"""The level of a whole recording, which a system needs however little of it is processed at once."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from espnet_codecse.activity import find_pauses, frame_powers, frame_size

# Recordings softer than this are not brought up: they would be noise of the converter.
LEAST_PEAK = 1e-4
_BLOCK_FRAMES = 3000  # of activity, read at once: a minute


class Level(NamedTuple):
    """Level of a recording.

    Attributes:
        peak: largest absolute sample.
        power: mean of the squared samples outside pauses.
    """

    peak: float
    power: float


def peak_gain(peak):
    """Return what brings recordings whose largest sample is ``peak``, a tensor, to a largest sample of 1."""
    return 1 / peak.clamp_min(LEAST_PEAK)


def level_of(samples: np.ndarray, sample_rate: int) -> Level:
    """Return the level of ``samples (sample,)``."""
    return measure_level(lambda start, count: samples[start : start + count], len(samples), sample_rate)


def measure_level(read: Callable[[int, int], np.ndarray], num_samples: int, sample_rate: int) -> Level:
    """Return the level of one channel; see :func:`measure_levels`.

    Args:
        read: ``read(start, count)`` gives ``(count,)`` samples.
        num_samples: samples of the recording.
        sample_rate: Hz.
    """
    return measure_levels(lambda start, count: read(start, count)[None], 1, num_samples, sample_rate)[0]


def measure_levels(
    read: Callable[[int, int], np.ndarray], num_channels: int, num_samples: int, sample_rate: int
) -> list[Level]:
    """Return the level of each channel of a recording of any length, read once from beginning to end.

    Args:
        read: ``read(start, count)`` gives ``(channel, count)`` samples.
        num_channels: channels of the recording.
        num_samples: samples of each channel.
        sample_rate: Hz.
    """
    peaks = np.zeros(num_channels)
    powers: list[list[np.ndarray]] = [[] for _ in range(num_channels)]
    block_size = _BLOCK_FRAMES * frame_size(sample_rate)
    for start in range(0, num_samples, block_size):
        block = read(start, min(block_size, num_samples - start))
        peaks = np.maximum(peaks, np.abs(block).max(axis=1, initial=0.0))
        for channel, samples in zip(powers, block):
            channel.append(frame_powers(samples, sample_rate))
    return [Level(float(peak), _active_power(np.concatenate([[], *channel]))) for peak, channel in zip(peaks, powers)]


def _active_power(powers: np.ndarray) -> float:
    """Return the mean of ``powers (frame,)`` outside pauses."""
    active = np.ones(len(powers), bool)
    for start, stop in find_pauses(powers):
        active[start:stop] = False
    return float(powers[active].mean()) if active.any() else 0.0
