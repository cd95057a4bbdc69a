"""Remove what lies below the band of speech: a constant offset of a sound card, wind, handling noise."""

import numpy as np
import torch

from espnet_codecse.activity import frame_powers, frame_size

STOP_HZ, PASS_HZ = 15.0, 30.0  # removed below, untouched above
LEAST_SHARE = 3e-3  # of the power, about that of white noise; recordings with less rumble are not touched
_BLOCK_SECONDS = 0.05  # means over one period of 20 Hz
_EDGE_SECONDS = 0.2  # reflected at both ends


def has_rumble(samples: np.ndarray, sample_rate: int) -> bool:
    """Return whether more than three thousandths of the power of ``samples (sample,)`` lies below about 20 Hz."""
    size = max(1, round(_BLOCK_SECONDS * sample_rate))
    whole = samples[: len(samples) // size * size].astype(np.float64)
    slow = np.square(whole.reshape(-1, size).mean(axis=1)).sum() * size
    return bool(slow > LEAST_SHARE * np.square(whole).sum())


def remove_rumble(samples: np.ndarray, sample_rate: int) -> np.ndarray:
    """Return ``samples (sample,)`` without what lies below 15 Hz, with linear phase; above 30 Hz nothing changes.

    Recordings without rumble are returned as they are.

    Args:
        samples: float, any level.
        sample_rate: Hz.
    """
    if not has_rumble(samples, sample_rate):
        return samples
    return (samples - rumble_of(samples, sample_rate)).astype(samples.dtype)


def rumble_of(
    samples: np.ndarray, sample_rate: int, before: np.ndarray | None = None, after: np.ndarray | None = None
) -> np.ndarray:
    """Return what :func:`remove_rumble` removes from ``samples (sample,)``, whether there is much of it or not.

    Args:
        samples: float, any level.
        sample_rate: Hz.
        before: the samples before them; None: the recording begins here, and is reflected.
        after: the samples after them; None: the recording ends here.

    Returns:
        ``(sample,) float64``.
    """
    edge = min(len(samples) - 1, round(_EDGE_SECONDS * sample_rate))
    head = samples[1 : edge + 1][::-1] if before is None else before
    tail = samples[-edge - 1 : -1][::-1] if after is None else after
    spectrum = torch.fft.rfft(torch.from_numpy(np.concatenate([head, samples, tail]).astype(np.float64)))
    padded = len(head) + len(samples) + len(tail)
    frequencies = torch.arange(len(spectrum)) * (sample_rate / padded)
    ramp = ((frequencies - STOP_HZ) / (PASS_HZ - STOP_HZ)).clamp(0.0, 1.0)
    filtered = torch.fft.irfft(spectrum * (0.5 + 0.5 * torch.cos(torch.pi * ramp)), n=padded)
    rumble = filtered[len(head) : len(head) + len(samples)].numpy()
    # The filter rings; digital silence stays digital silence, which networks need not process.
    silent = frame_powers(samples, sample_rate) == 0
    rumble[np.repeat(silent, frame_size(sample_rate))[: len(samples)]] = 0
    return rumble
