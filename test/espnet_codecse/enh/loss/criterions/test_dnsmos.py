"""DNSMOS as a loss, against the metric."""

import numpy as np
import pytest
import torch

from espnet_codecse.corpus.synthesis import speakers, synthesise
from espnet_codecse.enh.loss.criterions.dnsmos import DNSMOSLoss
from espnet_codecse.metrics.abs_metric import Signals
from espnet_codecse.metrics.dnsmos import WINDOW_SAMPLES, Dnsmos


@pytest.fixture(scope="module")
def speech() -> torch.Tensor:
    """``(1, sample)`` at 16 kHz, of one window of the metric."""
    _, voice = speakers("test", 1, 0)[0]
    samples = synthesise([{"text": "The quick brown fox jumps over the lazy dog.", **voice}], 16000)[0]
    return torch.from_numpy(np.resize(samples, WINDOW_SAMPLES))[None]


@pytest.fixture(scope="module")
def noise(speech) -> torch.Tensor:
    return 0.3 * speech.std() * torch.randn(speech.shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.slow
def test_predicts_what_the_metric_gives(speech, noise):
    metric = Dnsmos()
    metric.load()
    loss = DNSMOSLoss(dict.fromkeys(DNSMOSLoss.NAMES, 1.0))
    for degraded in (speech, speech + noise, noise):
        expected = metric.compute(Signals(estimate=degraded[0].numpy(), sample_rate=16000))
        predicted = {f"DNSMOS_{name}": value.item() for name, value in loss.predict(degraded).items()}
        assert predicted == pytest.approx(expected, abs=1e-3)


def test_counts_the_points_below_the_reference(speech, noise):
    loss = DNSMOSLoss({"P808": 2.0})
    best, reached = (loss.predict(signal)["P808"] for signal in (speech, speech + noise))
    assert best > reached
    torch.testing.assert_close(loss(speech, speech + noise), 2.0 * (best - reached))
    assert loss(speech + noise, speech).item() == 0.0  # better than the reference


@pytest.mark.slow
def test_steps_along_the_gradient_raise_the_score(speech, noise):
    loss = DNSMOSLoss({"OVRL": 1.0, "P808": 1.0})
    reference, estimate = speech[:, :32000], (speech + noise)[:, :32000].clone().requires_grad_()
    before = loss(reference, estimate)
    before.sum().backward()
    after = loss(reference, estimate - 1e-3 * estimate.grad / estimate.grad.square().mean().sqrt())
    assert after.item() < before.item()


@pytest.mark.slow
def test_batch_as_one_by_one(speech, noise):
    loss = DNSMOSLoss()
    references, estimates = torch.cat([speech, speech.flip(1)]), torch.cat([speech + noise, noise])
    alone = torch.cat([loss(one[None], other[None]) for one, other in zip(references, estimates)])
    torch.testing.assert_close(loss(references, estimates), alone)


def test_drawn_items_stand_for_all_in_training_only(speech, noise):
    references = speech[:, :16000].repeat(4, 1)
    estimates = references + noise[:, :16000]
    all_items = DNSMOSLoss({"P808": 1.0})(references, estimates)
    drawing = DNSMOSLoss({"P808": 1.0}, num_items=2)
    torch.testing.assert_close(drawing(references, estimates), all_items)
    drawn = drawing(references, estimates.requires_grad_())
    assert (drawn > 0).sum() == 2
    torch.testing.assert_close(drawn.mean(), all_items.mean())


@pytest.mark.slow
def test_bfloat16_is_near(speech, noise):
    loss = DNSMOSLoss({"OVRL": 1.0, "P808": 1.0})
    exact, rough = (loss.predict((speech + noise)[:, :32000], bfloat16) for bfloat16 in (False, True))
    assert all(rough[name].item() == pytest.approx(exact[name].item(), abs=0.1) for name in exact)


@pytest.mark.slow
@pytest.mark.parametrize("num_samples", [600, 16000])
def test_gradient_is_finite_for_short_and_silent_signals(num_samples):
    noise = 0.1 * torch.randn(1, num_samples)
    for reference, start in ((noise, 0.5 * noise), (noise, 0 * noise), (0 * noise, noise)):
        estimate = start.clone().requires_grad_()
        DNSMOSLoss()(reference, estimate).sum().backward()
        assert torch.isfinite(estimate.grad).all()


@pytest.mark.parametrize("scores", [{}, {"MOS": 1.0}])
def test_unknown_scores_are_refused(scores):
    with pytest.raises(ValueError, match="SIG, BAK, OVRL, P808"):
        DNSMOSLoss(scores)
