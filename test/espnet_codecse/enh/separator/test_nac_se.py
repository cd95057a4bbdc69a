"""LatentSE's separator, and the sizes that the template's files promise."""

from pathlib import Path

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from espnet_codecse.enh.separator.nac_se import NacSeSeparator
from espnet_codecse.enh.separator.transformer import sinusoidal_positions
from espnet_codecse.task.configuration import build_configuration

TEMPLATE = Path(__file__).resolve().parents[4] / "egs2" / "TEMPLATE" / "enh1" / "conf"
TINY = {"width": 16, "num_layers": 2, "num_heads": 2, "ffn_width": 32, "dropout": 0.0, "normalize": "none"}


@pytest.mark.parametrize("num_spk", [1, 2, 3])
@pytest.mark.parametrize("input_dim", [16, 24])
def test_estimates_are_mask_times_mixture(num_spk, input_dim):
    torch.manual_seed(0)
    separator = NacSeSeparator(input_dim, num_spk, **TINY)
    mixture, lengths = torch.randn(2, 11, input_dim), torch.tensor([11, 7])
    estimates, num_frames, others = separator(mixture, lengths)
    assert separator.num_spk == len(estimates) == num_spk
    assert torch.equal(num_frames, lengths)
    for index, estimate in enumerate(estimates):
        assert torch.equal(estimate, mixture * others[f"mask_spk{index + 1}"])
        assert estimate.shape == mixture.shape


@pytest.mark.parametrize("normalize", ["none", "global", "utterance"])
def test_mappings_are_of_the_embeddings_scale(normalize):
    torch.manual_seed(0)
    separator = NacSeSeparator(24, 2, **{**TINY, "normalize": normalize, "output": "mapping"})
    separator.normalization.set_statistics(torch.full((24,), 3.0), torch.full((24,), 2.0))
    mixture, lengths = torch.randn(2, 11, 24), torch.tensor([11, 7])
    estimates, _, others = separator(mixture, lengths)
    assert len(estimates) == 2 and all(item.shape == mixture.shape for item in estimates) and not others
    torch.nn.init.zeros_(separator.mapping.weight)
    torch.nn.init.ones_(separator.mapping.bias)
    (estimate, _), _, _ = separator(mixture, lengths)
    scale = {"none": 1.0, "global": 5.0, "utterance": separator.normalization(mixture, lengths)[1]}[normalize]
    torch.testing.assert_close(estimate[0], (scale * torch.ones(2, 11, 24))[0])
    assert not estimate[1, 7:].any()
    with pytest.raises(ValueError, match="output 'spectrum' is none of mask, mapping"):
        NacSeSeparator(24, **{**TINY, "output": "spectrum"})


@pytest.mark.parametrize("output", ["mask", "mapping"])
@pytest.mark.parametrize("normalize", ["none", "global", "utterance"])
def test_padding_changes_nothing(normalize, output):
    torch.manual_seed(0)
    separator = NacSeSeparator(24, 2, **{**TINY, "normalize": normalize, "output": output}).eval()
    mixture = torch.randn(1, 9, 24)
    padded = torch.nn.functional.pad(mixture, (0, 0, 0, 6))
    for alone, together in zip(separator(mixture, torch.tensor([9]))[0], separator(padded, torch.tensor([9]))[0]):
        assert torch.allclose(alone, together[:, :9], atol=1e-5)
        assert not together[:, 9:].any()


def test_adapters_only_where_the_widths_differ():
    assert isinstance(NacSeSeparator(16, **TINY).adapter_in, torch.nn.Identity)
    assert NacSeSeparator(24, **TINY).adapter_in.weight.shape == (16, 24)


def test_positions_for_any_length_and_odd_widths():
    table = sinusoidal_positions(7000, 5, torch.device("cpu"))
    assert table.shape == (7000, 5)
    assert torch.equal(table[0], torch.tensor([0.0, 1.0, 0.0, 1.0, 0.0]))
    assert table.unique(dim=0).shape[0] == 7000


def separator_of_size(size, recipe: Path) -> NacSeSeparator:
    """Build the template's size for 1024 channels."""
    configuration = build_configuration(TEMPLATE, recipe, "nac_se", "1_enhance", "unused", size, None)
    return NacSeSeparator(1024, **{**configuration["separator_conf"], "activation": "snake", "dropout": 0.0})


@pytest.mark.slow
@pytest.mark.parametrize("size, gmac", [(None, 3.94), ("paper", 3.94), ("small", 0.83)])
def test_macs_per_second(size, gmac, tmp_path):
    # 50 frames are one second of 16 kHz audio. In training mode attention is counted too.
    separator = separator_of_size(size, tmp_path).train()
    with torch.no_grad(), FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        separator(torch.zeros(1, 50, 1024), torch.tensor([50]))
    assert counter.get_total_flops() / 2e9 == pytest.approx(gmac, rel=0.01)


def test_macs_of_the_small_size_as_published(tmp_path):
    # Codecformer's figure comes from a counter that passes over attention, its projections too.
    weights = [
        module.weight.numel()
        for name, module in separator_of_size("small", tmp_path).named_modules()
        if isinstance(module, (torch.nn.Linear, torch.nn.Conv1d)) and "self_attn" not in name
    ]
    assert 50 * sum(weights) / 1e9 == pytest.approx(0.60, rel=0.01)
