"""What people pass as audio: arrays of several layouts, and paths; brought to channels and back."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
import torch

MAX_CHANNELS = 8  # a second axis of at most this length, shorter than the first one, is taken for channels
Audio: TypeAlias = np.ndarray | torch.Tensor | str | Path


def is_sample_by_channel(shape: tuple[int, ...]) -> bool:
    """Whether a two-dimensional array looks like soundfile's ``(sample, channel)`` and not like ``(batch, sample)``."""
    return len(shape) == 2 and shape[1] <= MAX_CHANNELS and shape[1] < shape[0]


class Channels(NamedTuple):
    """Audio as channels.

    Attributes:
        samples: ``(channel, sample)`` float32; the items of a batch count as channels.
        fs: sample rate, Hz.
        restore: maps an array of that shape to the layout of what was given.
    """

    samples: np.ndarray
    fs: int
    restore: Callable[[np.ndarray], np.ndarray]


def as_channels(audio: Audio, fs: int | None, default_fs: int) -> Channels:
    """Return the channels of an array or a file.

    Args:
        audio: ``(sample,)``; ``(sample, channel)`` as soundfile returns it, which is an array whose second axis is
            shorter than the first one and at most 8; ``(batch, sample)``; or the path of a recording, which gives
            ``(sample,)`` or ``(sample, channel)``.
        fs: sample rate of an array, Hz; None: ``default_fs``. A recording has its own.

    Raises:
        UserError: the recording is not readable.
        ValueError: the array is empty, has another shape, is integer, or has NaN or infinite samples; or a rate was
            given for a recording.
    """
    name = "audio"
    if isinstance(audio, (str, Path)):
        from espnet_codecse.audio import read_audio

        if fs is not None:
            raise ValueError(f"{audio}: fs is that of an array; a recording has its own")
        name = str(audio)
        audio, fs = read_audio(audio)
        audio = audio[:, 0] if audio.ndim == 2 and audio.shape[1] == 1 else audio
    samples = audio.detach().cpu().numpy() if isinstance(audio, torch.Tensor) else np.asarray(audio)
    if samples.ndim not in (1, 2) or not samples.size:
        raise ValueError(
            f"{name} has shape {samples.shape}; it must be (sample,), (sample, channel) or (batch, sample)"
        )
    if not np.issubdtype(samples.dtype, np.floating):
        raise ValueError(f"{name} is {samples.dtype}; it must be floating point: divide int16 by 32768")
    finite = np.isfinite(samples)
    if not finite.all():
        where = tuple(int(index) for index in np.argwhere(~finite)[0])
        count = int(finite.size - finite.sum())
        raise ValueError(f"{name}: {count} samples are NaN or infinite, the first at index {where}; replace them")
    samples = samples.astype(np.float32, copy=False)
    rate = default_fs if fs is None else int(fs)
    if samples.ndim == 1:
        return Channels(samples[None], rate, lambda channels: channels[0])
    if is_sample_by_channel(samples.shape):
        return Channels(samples.T, rate, lambda channels: np.ascontiguousarray(channels.T))
    return Channels(samples, rate, lambda channels: channels)
