"""The loss shaped like PESQ, against PESQ."""

import math

import pytest
import torch
from pesq import pesq
from scipy.stats import spearmanr

from espnet_codecse.corpus.synthesis import speakers, synthesise
from espnet_codecse.enh.loss.criterions.pesq import PESQLoss


@pytest.fixture(scope="module")
def speech() -> torch.Tensor:
    """``(1, sample)`` at 16 kHz."""
    _, voice = speakers("test", 1, 0)[0]
    text = "The quick brown fox jumps over the lazy dog."
    return torch.from_numpy(synthesise([{"text": text, **voice}], 16000)[0])[None]


def _degradations(speech: torch.Tensor):
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(speech.shape, generator=generator) * speech.std()
    low = torch.nn.functional.avg_pool1d(noise, 33, 1, 16) * 4
    for gain in (1.0, 0.5, 0.25, 0.1, 0.03, 0.01):
        yield speech + gain * noise
        yield speech + gain * low
    for limit in (0.5, 1.0, 2.0):
        yield speech.clamp(-limit * speech.std(), limit * speech.std())
    yield torch.nn.functional.avg_pool1d(speech, 7, 1, 3)
    yield speech * (torch.arange(speech.shape[1]) // 1600 % 4 > 0)  # drop-outs of 0.1 s


@pytest.mark.slow
def test_follows_pesq(speech):
    loss = PESQLoss()
    ours, theirs = [], []
    for degraded in _degradations(speech):
        ours.append(loss(speech, degraded).item())
        theirs.append(pesq(16000, speech[0].numpy(), degraded[0].numpy(), "wb"))
    assert max(theirs) - min(theirs) > 2  # the degradations cover the scale
    assert spearmanr(ours, theirs).statistic < -0.9


def test_mapped_counts_what_the_score_reports(speech):
    noise = torch.randn_like(speech) * speech.std()
    for gain in (0.01, 0.1, 1.0):
        raw = PESQLoss()(speech, speech + gain * noise).item()
        lost = 4 / (1 + math.exp(-1.3669 * 4.5 + 3.8224)) - 4 / (1 + math.exp(-1.3669 * (4.5 - raw) + 3.8224))
        assert PESQLoss(mapped=True)(speech, speech + gain * noise).item() == pytest.approx(lost, abs=1e-4)


def test_nothing_is_lost_without_degradation_whatever_the_level(speech):
    loss = PESQLoss()
    assert loss(speech, speech).item() < 0.01
    assert loss(speech, 0.1 * speech).item() < 0.01
    assert loss(speech, speech + 0.02 * torch.randn_like(speech)).item() > 0.1


def test_darkened_speech_is_forgiven_more_when_equalized(speech):
    spectrum = torch.fft.rfft(speech)
    frequencies = torch.fft.rfftfreq(speech.shape[1], 1 / 16000)
    dark = torch.fft.irfft(torch.where(frequencies > 2000, 0.5, 1.0) * spectrum, speech.shape[1])  # 6 dB
    forgiven = PESQLoss()(speech, dark).item()
    heard = PESQLoss(equalized=False)(speech, dark).item()
    assert heard > forgiven + 0.1
    assert PESQLoss(equalized=False)(speech, 0.1 * speech).item() < 0.01


def test_batch_as_one_by_one(speech):
    loss = PESQLoss()
    references = torch.cat([speech, speech.flip(1)])
    estimates = references + 0.01 * torch.randn_like(references)
    alone = torch.cat([loss(one[None], other[None]) for one, other in zip(references, estimates)])
    torch.testing.assert_close(loss(references, estimates), alone)


@pytest.mark.parametrize("equalized", [True, False])
@pytest.mark.parametrize("num_samples", [600, 4000, 32000])
def test_gradient_is_finite_for_silence_and_for_equal_signals(num_samples, equalized):
    noise = 0.1 * torch.randn(1, num_samples)
    for reference, start in ((noise, noise), (noise, 0 * noise), (0 * noise, noise), (0 * noise, 0 * noise)):
        estimate = start.clone().requires_grad_()
        PESQLoss(equalized=equalized)(reference, estimate).sum().backward()
        assert torch.isfinite(estimate.grad).all()
