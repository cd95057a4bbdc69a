"""PIT that drops what is solved: ESPnet's loss and order otherwise."""

import pytest
import torch
from espnet2.enh.loss.criterions.time_domain import SISNRLoss
from espnet2.enh.loss.wrappers.pit_solver import PITSolver

from espnet_codecse.enh.loss.wrappers.pit_threshold import ThresholdPITSolver


def batch(num_spk: int, noise=(1.0, 0.3, 1e-4)):
    """References and noisy estimates ``(batch, sample)`` a speaker, every item in an order of its own."""
    torch.manual_seed(0)
    references = torch.randn(num_spk, len(noise), 4000)
    estimates = references + torch.tensor(noise)[None, :, None] * torch.randn_like(references)
    shuffled = torch.stack([estimates[torch.randperm(num_spk), item] for item in range(len(noise))], dim=1)
    return list(references), [speech.clone().requires_grad_() for speech in shuffled]


@pytest.mark.parametrize("num_spk", [1, 2, 3])
def test_order_is_found_and_solved_utterances_give_no_gradient(num_spk):
    references, estimates = batch(num_spk)
    solver = ThresholdPITSolver(SISNRLoss(eps=1e-7))
    loss, stats, others = solver(references, estimates, {})
    for item in range(3):
        for speaker in range(num_spk):
            estimate = estimates[others["perm"][item, speaker]][item]
            correlation = torch.cosine_similarity(estimate, references[speaker][item], dim=0)
            assert correlation > 0.5
    loss.backward()
    assert all(speech.grad[:2].any() and not speech.grad[2].any() for speech in estimates)
    with torch.no_grad():
        _, plain, _ = PITSolver(SISNRLoss(eps=1e-7))(references, estimates, {})
        validated, _, _ = solver(references, estimates, {})
    assert stats["si_snr_loss"].item() == pytest.approx(plain["si_snr_loss"].item(), rel=1e-5)
    assert validated.item() == pytest.approx(plain["si_snr_loss"].item(), rel=1e-5)
    assert loss.item() > stats["si_snr_loss"].item()


def test_without_any_solved_it_is_espnets_solver():
    references, estimates = batch(2, (1.0, 0.5))
    ours, theirs = (kind(SISNRLoss(eps=1e-7))(references, estimates, {})[0] for kind in (ThresholdPITSolver, PITSolver))
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-5)
    gradients = [torch.autograd.grad(loss, estimates) for loss in (ours, theirs)]
    assert all(torch.allclose(first, second, atol=1e-7) for first, second in zip(*gradients))


def test_a_batch_of_solved_utterances_changes_nothing():
    references, estimates = batch(2, (1e-4, 1e-4))
    loss, stats, _ = ThresholdPITSolver(SISNRLoss(eps=1e-7))(references, estimates, {})
    loss.backward()
    assert loss.item() == 0 and stats["si_snr_loss"].item() < -30
    assert not any(speech.grad.any() for speech in estimates)
