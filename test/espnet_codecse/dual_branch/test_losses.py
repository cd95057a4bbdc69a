"""Losses of waveforms, and gradients in shares."""

import pytest
import torch

from espnet_codecse.dual_branch.losses import ReconstructionLoss, balanced_loss


def test_values():
    torch.manual_seed(0)
    reference = 0.1 * torch.randn(2, 4000)
    loss = ReconstructionLoss(16000, mel_windows=[512, 128], mel_bins=[40, 10], stft=2.0)
    assert not loss.state_dict()
    perfect = loss(reference, reference)
    assert perfect["si_sdr"] == pytest.approx(40, abs=0.1) and perfect["mel"] == 0 and perfect["stft"] < 1e-5
    noise = torch.randn(2, 4000)
    noise -= (noise * reference).sum(1, keepdim=True) / reference.square().sum(1, keepdim=True) * reference
    noisy = reference + 0.1 * noise / noise.square().mean(1, keepdim=True).sqrt()
    values = loss(noisy, reference)
    assert values["si_sdr"] == pytest.approx(0, abs=0.2)
    assert values["loss"] == pytest.approx(float(-values["si_sdr"] + 15 * values["mel"] + 2 * values["stft"]), rel=1e-3)
    # The level counts for the spectrum, not for SI-SDR.
    assert loss(0.1 * reference, reference)["mel"] == pytest.approx(1.0, abs=0.05)  # log10 of amplitudes
    assert loss(0.1 * reference, reference)["si_sdr"] == pytest.approx(40, abs=0.1)


@pytest.mark.parametrize("which", ["reference", "estimate", "both"])
def test_silence_is_safe(which):
    reference, estimate = 0.1 * torch.randn(2, 2000), 0.1 * torch.randn(2, 2000)
    if which != "estimate":
        reference[0] = 0
    if which != "reference":
        estimate[0] = 0
    estimate.requires_grad_()
    values = ReconstructionLoss(16000, mel_windows=[256], mel_bins=[20], stft=1.0)(estimate, reference)
    values["loss"].backward()
    assert torch.isfinite(values["loss"]) and torch.isfinite(estimate.grad).all()


def test_needs_as_many_bins_as_windows():
    with pytest.raises(ValueError, match="2 mel_windows, but 1 mel_bins"):
        ReconstructionLoss(16000, mel_windows=[512, 256], mel_bins=[40])


def test_balanced_gradient():
    output = torch.tensor([[1.0, 2.0]], requires_grad=True)
    losses = {"large": (3.0, 1000 * output[0, 0]), "small": (1.0, 0.01 * output[0, 1])}
    loss, sizes = balanced_loss(losses, [output])
    assert sizes["large"] == 1000 and float(sizes["small"]) == pytest.approx(0.01)
    loss.backward()
    assert output.grad[0].tolist() == pytest.approx([0.75, 0.25])
