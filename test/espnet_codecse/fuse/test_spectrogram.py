"""The front end loses nothing."""

import pytest
import torch

from espnet_codecse.fuse.spectrogram import CompressedSpectrogram


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
