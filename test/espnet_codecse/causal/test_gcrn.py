"""The causal network: sizes, causality, and frame by frame as at once."""

import pytest
import torch

from espnet_codecse.benchmark.macs import count_macs
from espnet_codecse.causal.gcrn import GCRN
from espnet_codecse.causal.separator import predicts_features

TINY = (2, 2, 4, 4, 4)


def network(**options) -> GCRN:
    torch.manual_seed(0)
    return GCRN(**{"channels": TINY, **options}).eval()


def test_the_small_network_has_the_published_size():
    model = GCRN()
    assert sum(parameter.numel() for parameter in model.parameters()) == pytest.approx(3.62e6, rel=0.01)
    spectra = [torch.randn(1, 2, num_frames, 257) for num_frames in (50, 100)]
    macs = [count_macs(lambda spectrum=spectrum: model(spectrum)) for spectrum in spectra]
    assert macs[1] - macs[0] == pytest.approx(0.38e9, rel=0.05)


def test_the_future_changes_nothing_before():
    model = network()
    spectrum = torch.randn(1, 2, 20, 257)
    changed = spectrum.clone()
    changed[:, :, 12:] += 1
    before, after = model(spectrum)[0], model(changed)[0]
    torch.testing.assert_close(before[:, :, :12], after[:, :, :12])
    assert (before[:, :, 12] - after[:, :, 12]).abs().max() > 1e-4


@pytest.mark.parametrize("output", ["spectrum", "mask"])
@pytest.mark.parametrize("condition", ["none", "student", "teacher"])
@pytest.mark.parametrize("sizes", [[1] * 9, [4, 5], [9], [2, 1, 6]])
def test_in_pieces_as_at_once(output, condition, sizes):
    size = 6 if condition != "none" else 0
    model = network(embedding_size=size, condition=condition, mixing_alpha=0.3, output=output)
    spectrum, embedding = torch.randn(2, 2, 9, 257), torch.randn(2, 9, 6)
    given = embedding if condition == "teacher" else None
    whole, student, _ = model(spectrum, given)
    state, pieces, start = None, [], 0
    for size in sizes:
        piece = slice(start, start + size)
        enhanced, _, state = model(spectrum[:, :, piece], None if given is None else given[:, piece], state)
        pieces.append(enhanced)
        start += size
    torch.testing.assert_close(torch.cat(pieces, dim=2), whole, atol=1e-5, rtol=1e-5)
    assert (student is None) == (condition != "student")


@pytest.mark.parametrize("condition", ["none", "student", "teacher"])
@pytest.mark.parametrize("target", ["none", "clean"])
def test_a_predictor_is_built_only_where_it_is_used(condition, target):
    conf = {"condition": condition, "embedding_size": 6}
    predicts = predicts_features(conf, {"target": target})
    model = network(**conf, predicts=predicts)
    assert (model.predictor is not None) == predicts == (condition == "student" or target == "clean")
    assert (model(torch.randn(1, 2, 3, 257), torch.randn(1, 3, 6))[1] is not None) == predicts
    with pytest.raises(ValueError, match="condition 'student' needs the features"):
        network(embedding_size=6, condition="student", predicts=False)


def test_without_skips_all_goes_through_the_embedding():
    model = network(embedding_size=6, condition="teacher", skips=False)
    embedding = torch.randn(1, 5, 6)
    results = [model(torch.randn(1, 2, 5, 257), embedding)[0] for _ in range(2)]
    torch.testing.assert_close(*results)


def test_masks_begin_near_a_half_and_multiply_complex_numbers():
    model = network(output="mask")
    spectrum = torch.randn(1, 2, 7, 257)
    torch.testing.assert_close(model(spectrum)[0], spectrum / 2, atol=0.3, rtol=0)
    for layer, value in zip(model.outputs, (0.6, -0.8)):
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.constant_(layer.bias, value)
    expected = torch.complex(*spectrum.unbind(1)) * (0.6 - 0.8j)
    torch.testing.assert_close(torch.complex(*model(spectrum)[0].unbind(1)), expected)


@pytest.mark.parametrize("output", ["spectrum", "mask"])
def test_every_parameter_learns(output):
    model = network(embedding_size=6, condition="student", mixing_alpha=0.5, output=output).train()
    enhanced, student, _ = model(torch.randn(2, 2, 6, 257))
    (enhanced.square().mean() + student.mean()).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_what_cannot_be():
    with pytest.raises(ValueError, match="is none of"):
        GCRN(condition="oracle")
    with pytest.raises(ValueError, match="output 'wave' is none of"):
        GCRN(output="wave")
    with pytest.raises(ValueError, match="needs an embedding_size"):
        GCRN(condition="student")
    with pytest.raises(ValueError, match="needs an embedding"):
        network(embedding_size=6, condition="teacher")(torch.randn(1, 2, 3, 257))
