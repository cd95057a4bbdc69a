"""The level of a whole recording, which a system needs however little of it is processed at once.

A system is trained at the levels of a :class:`LevelRule`: on the fly, from stored embeddings, and at inference.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

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


class LevelRule(NamedTuple):
    """Largest absolute samples to which whole signals are scaled before they are encoded.

    Attributes:
        peak: of the mixture.
        reference_peak: of each reference; None: references keep their level in the mixture.
    """

    peak: float
    reference_peak: float | None = None

    @classmethod
    def of(cls, peak: Any, reference_peak: Any = None) -> "LevelRule | None":
        """Return the rule; None: signals are encoded at the level of the recording.

        Raises:
            ValueError: a peak is out of range, or there is one of references only.
        """
        for name, value in (("peak", peak), ("reference_peak", reference_peak)):
            if value is not None and (isinstance(value, bool) or not 0 < float(value) <= 1):
                raise ValueError(f"{name} {value}: give a value above 0 and up to 1")
        if peak is None:
            if reference_peak is not None:
                raise ValueError(f"reference_peak {reference_peak}: needs a peak of the mixture, too")
            return None
        return cls(float(peak), None if reference_peak is None else float(reference_peak))

    @classmethod
    def of_training(cls, model_conf: Mapping[str, Any]) -> "LevelRule | None":
        """Return the rule by which a training scales its signals.

        Before there was a ``reference_peak``, trainings did not scale: their ``peak`` is for inference only.

        Raises:
            ValueError: see :meth:`of`.
        """
        return cls.of(model_conf.get("peak"), model_conf["reference_peak"]) if "reference_peak" in model_conf else None

    def options(self) -> list[str]:
        """Return the rule as options of ``codecse extract``."""
        given = self._asdict().items()
        return [word for name, value in given if value is not None for word in (f"--{name}", f"{value:g}")]


def scaled(speech: np.ndarray, loudest: np.ndarray, peak: float) -> np.ndarray:
    """Return ``speech`` with the gain that brings the largest absolute sample of ``loudest`` to ``peak``."""
    return speech / np.float32(max(np.abs(loudest).max(initial=0.0), LEAST_PEAK) / peak)


def peak_gain(peak):
    """Return what brings recordings whose largest sample is ``peak``, a tensor, to a largest sample of 1."""
    return 1 / peak.clamp_min(LEAST_PEAK)


def level_of(samples: np.ndarray, sample_rate: int) -> Level:
    """Return the level of ``samples (sample,)``."""
    return measure_levels(lambda start, count: samples[None, start : start + count], 1, len(samples), sample_rate)[0]


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
