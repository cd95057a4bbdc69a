"""ESPnet's networks on waveforms: the same result in batches, in segments and at any level."""

import argparse

import numpy as np
import pytest
import torch
from tiny_configurations import TEMPLATE
from voices import RATE, voice

from espnet_codecse.errors import UserError
from espnet_codecse.inference.abs_enhancer import RunSettings
from espnet_codecse.task.configuration import build_configuration, num_speakers, output_names
from espnet_codecse.task.model_types import codec_of
from espnet_codecse.waveform.enhancer import WaveformEnhancer

SMALL = {"layer": 2, "stack": 1, "bottleneck_dim": 8, "hidden_dim": 8}


def conv_tasnet(num_spk: int, **run) -> WaveformEnhancer:
    """A small network with random weights, as training builds it."""
    from espnet_codecse.task.waveform import WaveformTask

    torch.manual_seed(0)
    configuration = build_configuration(TEMPLATE, TEMPLATE, "conv_tasnet", "1_enhance", "small", None, None, num_spk)
    assert codec_of(configuration) is None and num_speakers(configuration) == num_spk
    assert output_names(configuration) == [f"spk{index + 1}" for index in range(num_spk)]
    configuration["separator_conf"].update(SMALL)
    args = argparse.Namespace(**{**vars(WaveformTask.get_parser().parse_args([])), **configuration})
    model = WaveformTask.build_model(args).eval()
    return WaveformEnhancer.from_model(model, args, RunSettings(**run))


@pytest.mark.parametrize("num_spk", [1, 2])
def test_recordings_of_a_batch_do_not_affect_each_other(num_spk):
    enhancer = conv_tasnet(num_spk)
    speech = [voice(RATE, seed=1), voice(27000, seed=2), np.zeros(700, np.float32)]
    together = enhancer.enhance_batch(speech)
    for samples, result in zip(speech, together):
        assert result["waveform"].shape == (num_spk, len(samples))
        np.testing.assert_array_equal(enhancer.enhance_batch([samples])[0]["waveform"], result["waveform"])
    assert not together[2]["waveform"].any()
    assert enhancer.network_seconds > 0


def test_estimates_have_their_share_of_the_mixture():
    samples = voice(RATE, seed=1)
    soft, loud = (conv_tasnet(1).enhance_batch([gain * samples])[0]["waveform"][0] for gain in (0.1, 1.0))
    residual = samples - loud
    assert abs(np.dot(residual, loud)) < 1e-3 * np.dot(samples, samples)
    assert np.corrcoef(soft, loud)[0, 1] > 0.9
    assert np.linalg.norm(soft) / np.linalg.norm(loud) == pytest.approx(0.1, rel=0.1)


def test_long_recordings_are_joined_from_segments():
    samples = np.tile(voice(24000, seed=3), 4)
    enhancer = conv_tasnet(1, segment_seconds=2.0)
    pieces = enhancer.enhance_long(lambda start, count: samples[start : start + count], len(samples))
    joined = np.concatenate([piece["waveform"] for piece in pieces], axis=1)
    assert joined.shape == (1, len(samples)) and np.isfinite(joined).all()
    with pytest.raises(UserError, match="segments overlap by 1 s"):
        conv_tasnet(1, segment_seconds=0.5)


def test_has_no_options_and_no_stream():
    with pytest.raises(UserError, match="no options"):
        conv_tasnet(1, options={"num_steps": "3"})
    with pytest.raises(UserError, match="not causal"):
        conv_tasnet(1).stream()
    assert conv_tasnet(1).sample_rate == RATE
