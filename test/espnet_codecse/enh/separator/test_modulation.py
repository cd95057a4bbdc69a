"""Masks of any number of speakers with each codec family's activation."""

import pytest
import torch

from espnet_codecse.enh.separator.modulation import ModulationBlock, make_activation


@pytest.mark.parametrize("num_spk", [1, 2, 3])
@pytest.mark.parametrize("activation", ["snake", "elu", "leaky_relu"])
def test_one_mask_a_speaker(num_spk, activation):
    torch.manual_seed(0)
    block = ModulationBlock(6, num_spk, activation)
    features = torch.randn(4, 9, 6)
    masks = block(features)
    assert masks.shape == (num_spk, 4, 9, 6)
    # Pointwise in time and independent over the batch.
    assert torch.allclose(block(features[1:2, 3:4]), masks[:, 1:2, 3:4], atol=1e-6)
    assert len({tuple(mask.flatten().tolist()) for mask in masks}) == num_spk
    masks.square().sum().backward()
    assert all(parameter.grad is not None for parameter in block.parameters())


def test_speakers_take_their_own_channels():
    block = ModulationBlock(6, 2, "snake")
    with torch.no_grad():
        block.masker.parametrizations.weight.original0[6:] = 0  # silence the second speaker's part
        masks = block(torch.randn(1, 5, 6))
    assert masks[0].std(dim=1).max() > 0
    assert torch.allclose(masks[1], masks[1][:, :1])  # depends on the biases alone


def test_values_of_the_activations():
    values = torch.tensor([[[-1.0, 0.5, 2.0]]])
    assert torch.allclose(make_activation("snake", 1)(values), values + torch.sin(values) ** 2)
    assert torch.allclose(make_activation("elu", 1)(values)[0, 0, 0], torch.tensor(-1.0).expm1())
    assert torch.allclose(make_activation("leaky_relu", 1)(values), torch.tensor([[[-0.3, 0.5, 2.0]]]))
    with pytest.raises(ValueError, match="neither 'snake' nor 'elu'"):
        make_activation("relu", 1)
