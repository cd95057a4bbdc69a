"""The loss on noise in pauses."""

import pytest
import torch

from espnet_codecse.enh.loss.criterions.residual_noise import ResidualNoiseLoss


def speech_with_a_pause():
    """Half a second of a loud signal, half a second of one 50 dB softer."""
    torch.manual_seed(0)
    reference = 0.1 * torch.randn(1, 16384)
    reference[:, 8192:] *= 10 ** (-50 / 20)
    return reference


@pytest.mark.parametrize("gain_db", [0, 10, 20])
def test_decibels_above_the_reference_in_its_pauses_by_their_share(gain_db):
    reference = speech_with_a_pause()
    estimate = reference.clone()
    estimate[:, 8192:] *= 10 ** (gain_db / 20)
    assert ResidualNoiseLoss(floor_db=-90.0)(reference, estimate).item() == pytest.approx(gain_db / 2, abs=0.6)


def test_speech_does_not_count_nor_what_is_softer_than_the_reference():
    reference = speech_with_a_pause()
    estimate = 0.1 * torch.randn(1, 16384)
    estimate[:, 8192 - 256 :] = 0
    assert ResidualNoiseLoss()(reference, estimate).item() == 0
    assert ResidualNoiseLoss()(reference[:, :8192], estimate[:, :8192]).item() == 0


def test_level_of_both_does_not_matter():
    reference = speech_with_a_pause()
    estimate = reference + 0.01 * torch.randn(1, 16384)
    loud, soft = (ResidualNoiseLoss()(gain * reference, gain * estimate).item() for gain in (1.0, 0.1))
    assert loud == pytest.approx(soft, rel=1e-3) and loud > 5


@pytest.mark.parametrize("num_samples", [100, 512, 4000])
def test_gradient_is_finite_for_silence_and_short_signals(num_samples):
    for reference in (torch.zeros(2, num_samples), 0.1 * torch.randn(2, num_samples)):
        estimate = reference.clone().requires_grad_()
        loss = ResidualNoiseLoss()(reference, estimate)
        loss.sum().backward()
        assert loss.shape == (2,) and torch.isfinite(estimate.grad).all()
