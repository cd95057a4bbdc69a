"""Rotary attention."""

import pytest
import torch

from espnet_codecse.dual_branch.roformer import RoFormer, rotate, rotation


def test_products_depend_on_distance_only():
    torch.manual_seed(0)
    query, key = torch.randn(8), torch.randn(8)
    cosine, sine = rotation(12, 8, query)
    queries, keys = rotate(query.expand(12, 8), cosine, sine), rotate(key.expand(12, 8), cosine, sine)
    products = queries @ keys.T
    for distance in (0, 3, -5):
        diagonal = products.diagonal(distance)
        assert torch.allclose(diagonal, diagonal[:1].expand_as(diagonal), atol=1e-5)
    assert products[0, 3] != pytest.approx(float(products[3, 0]), abs=1e-3)
    assert queries.norm(dim=1).numpy() == pytest.approx(query.norm().expand(12).numpy(), rel=1e-5)


@pytest.mark.parametrize("output", ["direct", "residual", "gate"])
def test_padding_is_not_seen(output):
    torch.manual_seed(0)
    network = RoFormer(6, 16, 2, 2, 32, 0.0, output, log_magnitude=True).eval()
    embedding = torch.randn(1, 9, 6)
    padded = torch.cat([embedding, torch.zeros(1, 4, 6)], dim=1)
    mask = torch.arange(13)[None] < 9
    assert torch.allclose(network(padded, mask)[:, :9], network(embedding, None), atol=1e-5)
    assert network(padded, mask)[:, 9:].abs().max() == 0


def test_gates_are_within_zero_and_one():
    network = RoFormer(6, 16, 1, 2, 32, 0.0, "gate", initial_gate=2.0).eval()
    with torch.no_grad():
        network.project.weight.zero_()
        embedding = torch.randn(2, 5, 6)
        assert torch.allclose(network(embedding, None), torch.tensor(2.0).sigmoid() * embedding)


def test_refuses():
    with pytest.raises(ValueError, match="even size"):
        RoFormer(6, 15, 1, 3)
    with pytest.raises(ValueError, match="'mask' is none of"):
        RoFormer(6, 16, 1, 2, output="mask")
