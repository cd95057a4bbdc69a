"""Counting multiplications: the fused kernels of LSTMs count as their matrices."""

import pytest
import torch

from espnet_codecse.benchmark.macs import count_macs
from espnet_codecse.precision import LSTM


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_lstms_count_every_weight_once_a_step(bidirectional, dtype):
    lstm = LSTM(24, 32, num_layers=2, batch_first=True, bidirectional=bidirectional)
    weights = sum(parameter.numel() for name, parameter in lstm.named_parameters() if name.startswith("weight"))
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        assert count_macs(lambda: lstm(torch.randn(6, 10, 24))) == 60 * weights


@pytest.mark.parametrize("training", [True, False])
def test_transformer_layers_count_alike_in_training_and_in_use(training):
    width, frames = 16, 10
    layer = torch.nn.TransformerEncoderLayer(width, 2, 4 * width, 0.0, batch_first=True).train(training)
    counted = count_macs(lambda: layer(torch.zeros(1, frames, width)))
    assert counted == frames * width * (4 * width + 8 * width) + 2 * frames * frames * width
    assert torch.backends.mha.get_fastpath_enabled()
