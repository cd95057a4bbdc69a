"""Fast dropout: the same distribution as PyTorch's, and attention that equals PyTorch's but for the random zeros."""

import pytest
import torch

from espnet_codecse import dropout as fast
from espnet_codecse.dropout import Dropout, SelfAttention, attention, dropout
from espnet_codecse.enh.separator.transformer import TransformerStack


@pytest.mark.parametrize("shape", [(1003, 301), (64, 8, 50, 50)])
@pytest.mark.parametrize("probability", [0.1, 0.5, 0.9])
def test_zeros_are_as_frequent_as_asked_and_the_mean_is_kept(shape, probability):
    torch.manual_seed(0)
    values = torch.ones(shape, requires_grad=True)
    output = dropout(values, probability)
    assert output.shape == shape
    kept = output != 0
    assert (~kept).float().mean() == pytest.approx(probability, abs=0.003)
    assert output[kept].unique().tolist() == pytest.approx([1 / (1 - probability)], rel=1e-4)
    output.sum().backward()
    assert torch.equal(values.grad, output.detach())
    # The values that share a number are independent.
    flat = kept.flatten()[: kept.numel() // 4 * 4].view(-1, 4).float()
    assert torch.corrcoef(flat.T).fill_diagonal_(0).abs().max() < 0.02
    assert not torch.equal(dropout(values, probability), output)


def test_what_is_not_dropped():
    values = torch.randn(5, 7)
    assert dropout(values, 0.3, training=False) is values and dropout(values, 0.0) is values
    assert torch.equal(dropout(values, 1.0), torch.zeros(5, 7))
    assert Dropout(0.3).eval()(values) is values
    assert dropout(values.bfloat16(), 0.3).dtype == torch.bfloat16
    assert dropout(values[:0], 0.3).shape == (0, 7)


@pytest.mark.parametrize("kind", ["none", "bool", "float"])
def test_attention_equals_pytorchs(monkeypatch, kind):
    monkeypatch.setattr(fast, "dropout", lambda values, probability: values)
    torch.manual_seed(0)
    query, key, value = (torch.randn(2, 4, 9, 8, requires_grad=True) for _ in range(3))
    mask = None if kind == "none" else (torch.arange(9) < torch.tensor([[9], [5]]))[:, None, None]
    if kind == "float":
        mask = torch.zeros(2, 1, 1, 9).masked_fill(~mask, -torch.inf)
    expected = attention(query, key, value, mask, 0.1, training=False)
    output = attention(query, key, value, mask, 0.1, training=True)
    assert torch.allclose(output, expected, atol=1e-6)
    gradients = [torch.autograd.grad(item.square().sum(), (query, key, value)) for item in (output, expected)]
    assert all(torch.allclose(*pair, atol=1e-5) for pair in zip(*gradients))


@pytest.mark.parametrize("padded", [False, True])
def test_self_attention_has_pytorchs_weights_and_results(monkeypatch, padded):
    monkeypatch.setattr(fast, "dropout", lambda values, probability: values)
    torch.manual_seed(0)
    theirs = torch.nn.MultiheadAttention(16, 4, 0.1, batch_first=True).eval()
    ours = SelfAttention(16, 4, 0.1, batch_first=True).train()
    ours.load_state_dict(theirs.state_dict())
    features = torch.randn(2, 9, 16)
    padding = torch.arange(9) >= torch.tensor([[9], [5]]) if padded else None
    for mask in (padding, None if padding is None else torch.zeros(2, 9).masked_fill(padding, -torch.inf)):
        output, weights = ours(features, features, features, key_padding_mask=mask, need_weights=False)
        assert weights is None
        assert torch.allclose(output, theirs(features, features, features, key_padding_mask=padding)[0], atol=1e-6)
    # What it does not speed up is PyTorch's.
    assert ours(features, features, features)[1].shape == (2, 9, 9)


def test_the_layers_of_a_transformer_drop():
    torch.manual_seed(0)
    stack = TransformerStack(16, 2, 4, 32, 0.5)
    features, lengths = torch.randn(2, 9, 16), torch.tensor([9, 5])
    assert not torch.equal(stack(features, lengths), stack(features, lengths))
    assert torch.equal(stack.eval()(features, lengths), stack(features, lengths))
    kinds = [type(module) for module in stack.modules() if isinstance(module, torch.nn.Dropout)]
    assert set(kinds) == {Dropout}
