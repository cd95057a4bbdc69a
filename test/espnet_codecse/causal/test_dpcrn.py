"""The dual-path network: size, causality, frame by frame as at once, the filter."""

import pytest
import torch
from random_weights import randomized

from espnet_codecse.benchmark.macs import count_macs
from espnet_codecse.causal.dpcrn import DPCRN
from espnet_codecse.causal.separator import DPCRNSeparator


def network(**options) -> DPCRN:
    torch.manual_seed(0)
    sizes = {"num_bins": 33, "channels": (4, 6), "band_hidden_size": 5, "frame_hidden_size": 7}
    return DPCRN(**{**sizes, **options}).eval()


def test_the_default_network_is_small():
    model = DPCRN()
    assert sum(parameter.numel() for parameter in model.parameters()) < 0.15e6
    spectra = [torch.randn(1, 2, num_frames, 257) for num_frames in (50, 100)]
    macs = [count_macs(lambda spectrum=spectrum: model(spectrum)) for spectrum in spectra]
    assert (macs[1] - macs[0]) / 50 * 62.5 < 0.35e9  # a second


@pytest.mark.parametrize("options", [{}, {"full_band_size": 6}])
def test_the_future_changes_nothing_before(options):
    model = randomized(network(**options))
    spectrum = torch.randn(1, 2, 20, 33)
    changed = spectrum.clone()
    changed[:, :, 12:] += 1
    before, after = model(spectrum)[0], model(changed)[0]
    torch.testing.assert_close(before[:, :, :12], after[:, :, :12])
    assert (before[:, :, 12] - after[:, :, 12]).abs().max() > 1e-4


@pytest.mark.parametrize("sizes", [[1] * 9, [4, 5], [9], [2, 1, 6]])
@pytest.mark.parametrize("options", [{"filter_size": (1, 1)}, {}, {"filter_size": (4, 1)}, {"full_band_size": 6}])
def test_in_pieces_as_at_once(sizes, options):
    model, spectrum = randomized(network(**options)), torch.randn(2, 2, 9, 33)
    whole = model(spectrum)[0]
    state, pieces, start = None, [], 0
    for size in sizes:
        enhanced, predicted, state = model(spectrum[:, :, start : start + size], None, state)
        pieces.append(enhanced)
        start += size
        assert predicted is None
    torch.testing.assert_close(torch.cat(pieces, dim=2), whole, atol=1e-5, rtol=1e-5)


def test_starts_near_the_identity_and_filters_neighbours_with_complex_weights():
    model, spectrum = network(), torch.randn(2, 2, 7, 33)
    torch.testing.assert_close(model(spectrum)[0], spectrum, atol=0.7, rtol=0)
    torch.nn.init.zeros_(model.head.weight)
    torch.testing.assert_close(model(spectrum)[0], spectrum)
    with torch.no_grad():
        model.head.bias.zero_()
        model.head.bias[3 * 1 + 2] = 2.0  # real part: the frame before, one bin higher
        model.head.bias[9 + 3 * 2 + 0] = 0.5  # imaginary part: the present frame, one bin lower
    noisy = torch.complex(*spectrum.unbind(1))
    expected = torch.zeros_like(noisy)
    expected[:, 1:, :-1] += 2.0 * noisy[:, :-1, 1:]
    expected[:, :, 1:] += 0.5j * noisy[:, :, :-1]
    torch.testing.assert_close(torch.complex(*model(spectrum)[0].unbind(1)), expected)


def test_a_full_band_path_starts_as_the_identity_and_hears_every_band():
    torch.manual_seed(1)
    narrow, wide, spectrum = network(), network(full_band_size=6, num_full_band_layers=1), torch.randn(1, 2, 5, 33)
    assert wide.load_state_dict(narrow.state_dict(), strict=False).unexpected_keys == []
    torch.testing.assert_close(wide(spectrum)[0], narrow(spectrum)[0])
    randomized(wide.full_band)
    hidden = torch.randn(1, 6, 5, 9)
    change = wide.full_band(hidden, None)[0] - hidden
    hidden[0, 2, 1, 0] += 1.0  # one value of the lowest band
    difference = (wide.full_band(hidden, None)[0] - hidden - change).abs().amax(dim=1)[0]
    assert (difference[1:] > 1e-6).all() and not difference[0].any()  # every band from this frame on


def test_every_parameter_learns_also_in_bfloat16():
    for enabled in (False, True):
        model = network(full_band_size=6).train()
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            enhanced = model(torch.randn(2, 2, 6, 33))[0]
        assert enhanced.dtype == torch.float32
        enhanced.square().mean().backward()
        assert all(parameter.grad is not None for parameter in model.parameters())


def test_as_a_separator_of_espnet():
    separator = DPCRNSeparator(33, channels=(4, 6), band_hidden_size=5, frame_hidden_size=7).eval()
    spectrum, lengths = torch.randn(2, 6, 33, dtype=torch.complex64), torch.tensor([6, 6])
    (enhanced,), returned, others = separator(spectrum, lengths)
    assert enhanced.shape == spectrum.shape and torch.equal(returned, lengths) and others == {}
    first, state, _ = separator.forward_streaming(spectrum[:, :4])
    second, _, _ = separator.forward_streaming(spectrum[:, 4:], state)
    torch.testing.assert_close(torch.cat([first[0], second[0]], dim=1), enhanced, atol=1e-5, rtol=1e-5)


def test_what_cannot_be():
    with pytest.raises(ValueError, match="numbers of bins must be odd"):
        network(filter_size=(3, 2))
    with pytest.raises(ValueError, match="32 bins cannot be halved"):
        network(num_bins=32)
    with pytest.raises(ValueError, match="enhance one speaker, not 2"):
        DPCRNSeparator(33, num_spk=2, channels=(4, 6))
