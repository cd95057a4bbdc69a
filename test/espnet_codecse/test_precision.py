"""Arithmetic in bfloat16, on any processor."""

import pytest
import torch

from espnet_codecse import precision
from espnet_codecse.precision import LSTM, checked_dtype, has_bfloat16_lstm, has_native_bfloat16, network_dtype


def test_an_lstm_runs_under_autocast_on_every_processor(monkeypatch):
    torch.manual_seed(0)
    lstm, plain = LSTM(4, 8, batch_first=True), torch.nn.LSTM(4, 8, batch_first=True)
    plain.load_state_dict(lstm.state_dict())
    features = torch.randn(2, 5, 4)
    exact = plain(features)[0]
    assert torch.equal(lstm(features)[0], exact)
    with torch.autocast("cpu", torch.bfloat16):
        assert (lstm(features)[0].float() - exact).abs().max() < 0.05
        monkeypatch.setattr(precision, "has_bfloat16_lstm", lambda: False)
        assert torch.allclose(lstm(features.bfloat16())[0], exact, atol=0.02)
        assert lstm(features)[0].dtype == torch.float32 and torch.equal(lstm(features)[0], exact)


def test_a_processor_with_native_bfloat16_has_the_kernel():
    assert has_bfloat16_lstm() or not has_native_bfloat16("cpu")


@pytest.mark.parametrize("native", [True, False])
def test_auto_is_bfloat16_only_where_there_is_hardware_for_it(native, monkeypatch):
    monkeypatch.setattr(precision, "has_native_bfloat16", lambda device: native)
    device = torch.device("cpu")
    assert network_dtype("auto", device) == (torch.bfloat16 if native else None)
    assert network_dtype("bfloat16", device) == torch.bfloat16 and network_dtype("float32", device) is None
    with torch.autocast("cpu", torch.float16):
        assert network_dtype("auto", device) == torch.float16


def test_an_unknown_type_is_named():
    assert checked_dtype("auto") == "auto"
    with pytest.raises(ValueError, match="separator_dtype 'half' is not one of auto, float32, bfloat16"):
        checked_dtype("half")
