"""The loss on compressed spectra."""

import pytest
import torch

from espnet_codecse.enh.loss.criterions.compressed_spectrum import CompressedSpectrumLoss


def test_in_decibel_and_lower_for_less_noise():
    torch.manual_seed(0)
    reference, noise = 0.1 * torch.randn(2, 8000), 0.1 * torch.randn(2, 8000)
    loss = CompressedSpectrumLoss()
    values = [loss(reference, reference + gain * noise).mean().item() for gain in (1.0, 0.3, 0.1, 0.0)]
    assert values == sorted(values, reverse=True)
    assert values[-1] == pytest.approx(-40, abs=0.1)  # the floor
    assert loss.name == "compressed_spectrum_loss" and not loss.only_for_test


def test_soft_parts_count():
    torch.manual_seed(0)
    reference = 0.1 * torch.randn(1, 16000)
    reference[:, 8000:] *= 0.03
    estimate = reference.clone()
    estimate[:, 8000:] = 0  # 30 dB below the rest: an SNR of 30 dB
    assert CompressedSpectrumLoss()(reference, estimate).item() > -12


def test_gradient_is_finite_for_silence_and_for_equal_signals():
    for reference in (torch.zeros(1, 4000), 0.1 * torch.randn(1, 4000)):
        estimate = reference.clone().requires_grad_()
        CompressedSpectrumLoss((256,))(reference, estimate).sum().backward()
        assert torch.isfinite(estimate.grad).all()
