"""Arithmetic in bfloat16, on any processor."""

import torch

from espnet_codecse import precision
from espnet_codecse.precision import LSTM, has_bfloat16_lstm, has_native_bfloat16


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
