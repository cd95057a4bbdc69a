"""Long signals as windows of equal length, and windows cross-faded to long signals."""

import torch


def window_starts(num_frames: int, window: int, overlap: int) -> list[int]:
    """Return the first frames of windows that cover ``num_frames``; the last one may reach beyond the end."""
    hop = window - overlap
    return list(range(0, max(num_frames - overlap, 1), hop))


def cut(signal: torch.Tensor, window: int, overlap: int) -> tuple[torch.Tensor, list[int]]:
    """Return ``(windows (window, ..., frame), their first frames)`` of ``signal (..., frame)``, zeros after its end."""
    starts = window_starts(signal.shape[-1], window, overlap)
    missing = starts[-1] + window - signal.shape[-1]
    padded = torch.nn.functional.pad(signal, (0, max(missing, 0)))
    return torch.stack([padded[..., start : start + window] for start in starts]), starts


def join(windows: torch.Tensor, starts: list[int], overlap: int, num_frames: int) -> torch.Tensor:
    """Return ``(..., num_frames)`` of ``windows (window, ..., frame)``, linearly cross-faded where they overlap."""
    length = windows.shape[-1]
    # No end of the fade is 0 or 1: each frame of an overlap is of both windows.
    fade = (torch.arange(overlap, device=windows.device, dtype=windows.dtype) + 1) / (overlap + 1)
    output = windows.new_zeros(*windows.shape[1:-1], starts[-1] + length)
    for index, start in enumerate(starts):
        weight = windows.new_ones(length)
        if index > 0:
            weight[:overlap] = fade
        if index < len(starts) - 1:
            weight[length - overlap :] = 1 - fade
        output[..., start : start + length] += windows[index] * weight
    return output[..., :num_frames]
