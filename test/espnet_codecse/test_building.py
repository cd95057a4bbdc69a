"""Networks whose configuration describes something absurd."""

import copy

import pytest
import torch

from espnet_codecse.building import building
from espnet_codecse.errors import UserError
from espnet_codecse.job.resources import peak_memory


@pytest.mark.slow
@pytest.mark.parametrize(
    "build",
    [
        lambda: torch.nn.Linear(30_000, 30_000),
        lambda: torch.nn.LSTM(1, 1, num_layers=1_000_000_000),
        lambda: torch.nn.TransformerEncoder(torch.nn.TransformerEncoderLayer(8, 2, 8), 1_000_000_000),
        lambda: [torch.nn.Linear(1, 1) for _ in range(1_000_000_000)],
        lambda: torch.nn.Sequential(*[torch.nn.ReLU() for _ in range(1_000_000_000)]),
        lambda: torch.nn.ModuleList([copy.deepcopy(torch.nn.ReLU()) for _ in range(1_000_000_000)]),
        lambda: [copy.deepcopy(layer) for layer in [torch.nn.Identity()] for _ in range(1_000_000_000)],
    ],
)
def test_too_large(build):
    before = peak_memory()
    expected = "x: no model .the configuration describes more than 2 GB .*; refused"
    with pytest.raises(UserError, match=expected), building("x: no model", "copy it again"):
        build()
    assert peak_memory() - before < 200e6


def test_errors_are_one_line_and_others_pass():
    expected = r"^x: no model \(ValueError: two lines\); copy it again$"
    with pytest.raises(UserError, match=expected), building("x: no model", "copy it again"):
        raise ValueError("two\nlines")
    with pytest.raises(UserError, match="^own$"), building("x", "y"):
        raise UserError("own")
    with pytest.raises(KeyboardInterrupt), building("x", "y"):
        raise KeyboardInterrupt


def test_nothing_is_counted_afterwards():
    with building("x", "y"):
        network = torch.nn.Linear(3, 3)
    for name in ("__init__", "__setstate__"):
        assert getattr(torch.nn.Module, name).__module__ == "torch.nn.modules.module"
    assert torch.nn.Parameter.__deepcopy__.__module__ == "torch.nn.parameter"
    assert not torch.nn.modules.module._global_parameter_registration_hooks and network.weight.shape == (3, 3)
