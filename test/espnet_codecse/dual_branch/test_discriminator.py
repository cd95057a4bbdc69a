"""Ensembles that share their spectra."""

import pytest
import torch

from espnet_codecse.dual_branch.discriminator import SpectrumDiscriminators, scores_of
from espnet_codecse.dual_branch.losses import AdversarialLoss

SIZES = {"n_ffts": [256, 64], "filters": 2, "kernel_size": [3, 3], "dilations": [1, 2]}


def test_eight_nets_in_three_ensembles():
    discriminators = SpectrumDiscriminators(["clean", "noise", "noisy"], filters=1)
    assert [len(nets) for nets in discriminators.ensembles.values()] == [8, 8, 8]
    assert not any(name.startswith("window") for name in discriminators.state_dict())


def test_scores_start_between_real_and_fake():
    torch.manual_seed(0)
    discriminators = SpectrumDiscriminators(["clean"], **SIZES)
    scores = discriminators({"clean": 0.05 * torch.randn(4, 4000)}, {"clean": torch.full((4,), 4000)})
    for net in scores["clean"]:
        assert abs(torch.cat(net[-1]).mean().item() - 0.5) < 0.3


def test_spectra_are_made_once(monkeypatch):
    discriminators = SpectrumDiscriminators(["clean", "noise", "noisy"], **SIZES)
    counted = []
    plain = SpectrumDiscriminators.spectrum

    def spectrum(self, speech, n_fft):
        counted.append(n_fft)
        return plain(self, speech, n_fft)

    monkeypatch.setattr(SpectrumDiscriminators, "spectrum", spectrum)
    signals = {name: torch.randn(3, 1000) for name in discriminators.ensembles}
    scores = discriminators(signals, {name: torch.full((3,), 1000) for name in signals})
    assert counted == [256, 64]
    # Every ensemble judges its own signals with its own nets.
    alone = discriminators({"noise": signals["noise"]}, {"noise": torch.full((3,), 1000)})
    for together, single in zip(scores_of(scores["noise"], slice(None)), scores_of(alone["noise"], slice(None))):
        assert torch.allclose(together[-1], single[-1], atol=1e-5)


def test_spectrum_is_that_of_torchaudio_up_to_the_level():
    discriminators = SpectrumDiscriminators(["clean"], level_db=-20.0, **SIZES)
    speech = 0.1 * torch.randn(2, 4000)
    spectrum = discriminators.spectrum(speech, 256)
    assert spectrum.shape == (2, 1, 129, 59)
    # Of unit power: twice the sum over positive frequencies, over the window's length.
    power = spectrum.abs().square()
    assert 0.8 < float(2 * power.sum(2).mean() / 256) < 1.2


def test_padding_has_no_score():
    discriminators = SpectrumDiscriminators(["clean"], **SIZES)
    speech = torch.randn(2, 2000)
    speech[1, 640:] = 0
    scores = discriminators({"clean": speech}, {"clean": torch.tensor([2000, 640])})
    frames = [len(item) for item in scores["clean"][0][-1]]
    assert frames == [28, 10]  # hop 64
    short = discriminators({"clean": torch.randn(1, 10)}, {"clean": torch.tensor([10])})
    assert len(short["clean"][0][-1][0]) == 1


@pytest.mark.slow
def test_discriminators_learn_to_tell():
    torch.manual_seed(0)
    discriminators, criterion = SpectrumDiscriminators(["clean"], **SIZES), AdversarialLoss()
    optimizer = torch.optim.Adam(discriminators.parameters(), lr=1e-2)
    time = torch.arange(2000) / 16000
    lengths, losses = {"clean": torch.full((8,), 2000)}, []
    for _ in range(40):
        tones = 0.07 * torch.sin(6.28 * time * (300 + 200 * torch.rand(4, 1)))
        noise = 0.05 * torch.randn(4, 2000)
        scores = discriminators({"clean": torch.cat([noise, tones])}, lengths)["clean"]
        values = criterion.of_discriminator(scores_of(scores, slice(4)), scores_of(scores, slice(4, None)))
        loss = sum(values.values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss))
    assert losses[0] == pytest.approx(0.5, abs=0.1)  # at chance: scores start between real and fake
    assert losses[-1] < 0.25
