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
    edge = min(len(samples) - 1, round(_EDGE_SECONDS * sample_rate))
    padded = torch.from_numpy(np.pad(samples.astype(np.float64), edge, mode="reflect"))
    spectrum = torch.fft.rfft(padded)
    frequencies = torch.arange(len(spectrum)) * (sample_rate / len(padded))
    ramp = ((frequencies - STOP_HZ) / (PASS_HZ - STOP_HZ)).clamp(0.0, 1.0)
    filtered = torch.fft.irfft(spectrum * (0.5 - 0.5 * torch.cos(torch.pi * ramp)), n=len(padded))
    output = filtered[edge : edge + len(samples)].numpy().astype(samples.dtype)
    # The filter rings; digital silence stays digital silence, which networks need not process.
    silent = frame_powers(samples, sample_rate) == 0
    output[np.repeat(silent, frame_size(sample_rate))[: len(output)]] = 0
    return output
