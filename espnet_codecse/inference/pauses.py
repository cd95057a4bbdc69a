"""Enhance the rest of a recording without its pauses, so that networks see only speech and noise.

A separator computes statistics over its whole input: a scale, a mean, the state of a recurrent network. In training,
they describe speech in noise. In the track of one participant of a meeting, they would describe silence, and the speech
would hardly be enhanced. The active part of a recording is therefore enhanced without its pauses. These come from the
undivided recording, in which they are quiet; alone, they would be noise at the level of speech.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from espnet_codecse.activity import find_pauses, frame_powers, frame_size, powers_of_frames

FADE_SECONDS = 0.01  # the fades at both ends of a pause together last one frame of most codecs


class Division(NamedTuple):
    """Division of a recording into samples that are enhanced together.

    Attributes:
        weight: ``(sample,)`` float32: share of the active part in the output, between 0 and 1 where it is cross-faded.
    """

    weight: np.ndarray

    @property
    def active(self) -> np.ndarray:
        """Mask ``(sample,)`` of speech and noise, with the cross-fades."""
        return self.weight > 0

    @property
    def quiet(self) -> np.ndarray:
        """Mask ``(sample,)`` of pauses, with the cross-fades."""
        return self.weight < 1

    def join(self, active: np.ndarray, whole: np.ndarray | None) -> np.ndarray:
        """Put speech and pauses together.

        Args:
            active: output ``(output, sample)`` of the samples that ``active`` selects.
            whole: output ``(output, sample)`` of the undivided recording, for its pauses; None is silence.

        Returns:
            ``(output, sample)`` of the whole recording.
        """
        output = np.zeros((len(active), len(self.weight)), np.float32)
        output[:, self.active] = active * self.weight[self.active]
        if whole is not None:
            output += whole * (1 - self.weight)
        return output


def divide(samples: np.ndarray, sample_rate: int) -> Division | None:
    """Divide ``samples (sample,)`` into an active part and pauses; None if it has no pause.

    Args:
        samples: not all zero.
        sample_rate: Hz.
    """
    num_samples, size = len(samples), frame_size(sample_rate)
    fade = round(FADE_SECONDS * sample_rate)
    ramp = np.linspace(1.0, 0.0, fade + 2, dtype=np.float32)[1:-1]
    weight = np.ones(num_samples, np.float32)
    for first, last in find_pauses(frame_powers(samples, sample_rate)):
        start, stop = first * size, min(last * size, num_samples)
        weight[start:stop] = 0.0
        # At the ends of a recording, there is no speech next to the pause.
        if start:
            weight[start : start + fade] = ramp
        if stop < num_samples:
            weight[stop - fade : stop] = ramp[::-1]
    if weight.all():
        return None
    return Division(weight)


def cut_in_pause(samples: np.ndarray, sample_rate: int, overlap: int) -> int:
    """Return where a segment should end so that it does not cut speech in two.

    Args:
        samples: ``(sample,)``, or ``(channel, sample)``, which all pause: the longest segment.
        sample_rate: Hz.
        overlap: samples that the next segment shares with this one.

    Returns:
        Number of samples: the end of the overlap, which lies in the last pause of the second half; the whole length if
        there is no such pause.
    """
    size = frame_size(sample_rate)
    pauses = find_pauses(powers_of_frames(samples, size), overlap / sample_rate)
    # The cut lies on the frame grid that most codecs share, so that the next segment is coded as if it were alone.
    return _last_cut(pauses, size, samples.shape[-1], overlap)


def cut_frames_in_pause(powers: np.ndarray, frame_seconds: float, overlap: int) -> int:
    """Return where a segment of frames should end; see :func:`cut_in_pause`, whose samples are frames here.

    Args:
        powers: mean square of each frame, ``(frame,)`` or ``(channel, frame)``.
        frame_seconds: length of a frame.
        overlap: frames that the next segment shares with this one.
    """
    pauses = find_pauses(powers, overlap * frame_seconds, frame_seconds)
    return _last_cut(pauses, 1, powers.shape[-1], overlap)


def _last_cut(pauses: Iterable[tuple[int, int]], size: int, num_units: int, overlap: int) -> int:
    """Return the cut in the last of ``pauses``, which are in frames of ``size`` units."""
    end = num_units
    for first, last in pauses:
        start, stop = first * size, min(last * size, num_units)
        middle = stop if stop == num_units else (start + stop + overlap) // 2 // size * size
        if middle > max(overlap, num_units // 2):
            end = middle
    return end


def frame_weights(powers: np.ndarray, frame_seconds: float) -> np.ndarray:
    """Return the share of the active part in each frame, ``(frame,) float32``: 0 in pauses, 1/2 at their borders.

    Args:
        powers: ``(frame,)`` mean square of each frame.
        frame_seconds: length of a frame.
    """
    weight = np.ones(len(powers), np.float32)
    for start, stop in find_pauses(powers, frame_seconds=frame_seconds):
        weight[start:stop] = 0.0
        # At the ends of a recording, there is no speech next to the pause.
        if start:
            weight[start] = 0.5
        if stop < len(powers):
            weight[stop - 1] = 0.5
    return weight
