"""The loss between embeddings, and inside ESPnet's permutation wrapper."""

import pytest
import torch
from espnet2.enh.loss.wrappers.pit_solver import PITSolver

from espnet_codecse.enh.loss.criterions.embedding import EmbeddingMSE


def test_mean_over_frames_and_channels():
    reference, estimate = torch.zeros(2, 4, 3), torch.ones(2, 4, 3) * torch.tensor([1.0, 3.0])[:, None, None]
    criterion = EmbeddingMSE("quantized")
    assert criterion(reference, estimate).tolist() == [1.0, 9.0]
    assert criterion.name == "embedding_mse_quantized" and not criterion.only_for_test
    assert EmbeddingMSE(name="mine").name == "mine"


def test_decibel_is_relative_to_the_reference():
    reference = torch.randn(2, 50, 3)
    criterion = EmbeddingMSE(decibel=True)
    loss = criterion(reference, reference + 0.1 * reference.square().mean((1, 2), keepdim=True).sqrt())
    assert loss.tolist() == pytest.approx([-20, -20], abs=0.1)
    assert torch.isfinite(criterion(torch.zeros(1, 5, 3), torch.zeros(1, 5, 3))).all()  # silence


def test_unknown_layer():
    with pytest.raises(ValueError, match="neither 'continuous' nor 'quantized'"):
        EmbeddingMSE("codes")


def test_permutation_wrapper_finds_the_order():
    references = [torch.randn(3, 5, 4), torch.randn(3, 5, 4)]
    estimates = [references[1] + 0.1, references[0] - 0.1]
    loss, stats, others = PITSolver(EmbeddingMSE())(references, estimates)
    assert loss.item() == pytest.approx(0.01, rel=1e-3)
    assert torch.equal(torch.as_tensor(others["perm"]), torch.tensor([[1, 0]] * 3))
    assert "embedding_mse_continuous" in stats
