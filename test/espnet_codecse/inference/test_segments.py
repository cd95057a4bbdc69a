"""Signals put together from windows are what they were cut from."""

import pytest
import torch

from espnet_codecse.inference.segments import cut_windows, join_windows, window_starts


@pytest.mark.parametrize("num_frames", [1, 7, 31, 32, 33, 56, 57, 80, 500])
def test_windows_against_whole(num_frames):
    signal = torch.randn(2, 4, num_frames)
    windows, starts = cut_windows(signal, 32, 8)
    assert starts == window_starts(num_frames, 32, 8) and windows.shape == (len(starts), 2, 4, 32)
    assert torch.allclose(join_windows(windows, starts, 8, num_frames), signal, atol=1e-6)
    # What works on each frame by itself gives the same by windows.
    assert torch.allclose(join_windows(windows.tanh(), starts, 8, num_frames), signal.tanh(), atol=1e-6)
    # No window is all overlap.
    assert len(starts) == 1 or num_frames - starts[-1] > 8


def test_cross_fade():
    ones = torch.stack([torch.zeros(1, 4), torch.ones(1, 4)])
    assert torch.allclose(join_windows(ones, [0, 2], 2, 6), torch.tensor([[0, 0, 1 / 3, 2 / 3, 1, 1]]))
