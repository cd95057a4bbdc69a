"""The front end loses nothing, and long signals are what their windows are."""

import pytest
import torch

from espnet_codecse.fuse.spectrogram import CompressedSpectrogram
from espnet_codecse.fuse.windows import cut, join, window_starts


@pytest.mark.parametrize("num_samples", [1, 127, 255, 256, 4000, 32640, 40001])
def test_round_trip(num_samples, voice):
    front_end = CompressedSpectrogram()
    speech = torch.from_numpy(voice(num_samples))[None].double()
    spectrogram = front_end(speech)
    assert spectrogram.shape == (1, 2, 256, front_end.num_frames(num_samples))
    assert torch.allclose(front_end.inverse(spectrogram, num_samples), speech, atol=1e-9)
    single = front_end(speech.float())
    assert torch.allclose(front_end.inverse(single, num_samples), speech.float(), atol=1e-6)


def test_compression_and_its_gradient():
    front_end = CompressedSpectrogram(exponent=0.5, factor=0.15)
    spectrum = torch.tensor([[[4.0 + 0j, 0j, -9j]]])
    compressed = front_end.compress(spectrum)
    assert torch.allclose(compressed[0, :, 0].T, torch.tensor([[0.3, 0], [0, 0], [0, -0.45]]), atol=1e-6)
    compressed.requires_grad_()
    front_end.expand(compressed).abs().sum().backward()
    assert torch.isfinite(compressed.grad).all()


def test_what_cannot_be_inverted():
    for wrong in ({"hop": 300}, {"exponent": 0.0}, {"factor": 0.0}):
        with pytest.raises(ValueError, match="cannot be inverted"):
            CompressedSpectrogram(**wrong)


@pytest.mark.parametrize("num_frames", [1, 7, 31, 32, 33, 56, 57, 80, 500])
def test_windows_against_whole(num_frames):
    signal = torch.randn(2, 4, num_frames)
    windows, starts = cut(signal, 32, 8)
    assert starts == window_starts(num_frames, 32, 8) and windows.shape == (len(starts), 2, 4, 32)
    assert torch.allclose(join(windows, starts, 8, num_frames), signal, atol=1e-6)
    # What works on each frame by itself gives the same by windows.
    assert torch.allclose(join(windows.tanh(), starts, 8, num_frames), signal.tanh(), atol=1e-6)
    # No window is all overlap.
    assert len(starts) == 1 or num_frames - starts[-1] > 8


def test_cross_fade():
    ones = torch.stack([torch.zeros(1, 4), torch.ones(1, 4)])
    assert torch.allclose(join(ones, [0, 2], 2, 6), torch.tensor([[0, 0, 1 / 3, 2 / 3, 1, 1]]))
