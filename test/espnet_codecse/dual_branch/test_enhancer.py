"""Recordings in, speech and noise out."""

import argparse

import numpy as np
import pytest
import torch
from tiny_dual_branch import tiny_generator, tiny_model

from espnet_codecse.dual_branch.enhancer import DualBranchEnhancer
from espnet_codecse.errors import UserError
from espnet_codecse.inference.abs_enhancer import RunSettings
from espnet_codecse.level import Level


def enhancer(model=None, dtype=torch.float32, segment_seconds=2.0):
    return DualBranchEnhancer.from_model(
        model or tiny_model(), argparse.Namespace(), RunSettings("cpu", dtype, segment_seconds)
    )


def test_batch_equals_one_by_one(voice):
    system = enhancer()
    assert system.output_names == ("spk1", "noise1", "reconstruction") and system.num_spk == 1
    recordings = [voice(length, seed=length) for length in (8000, 1, 3333)] + [np.zeros(500, np.float32)]
    for recording, together in zip(recordings, system.enhance_batch(recordings)):
        alone = system.enhance_batch([recording])[0]["waveform"]
        assert alone.shape == (3, len(recording)) and alone.dtype == np.float32
        assert np.abs(together["waveform"] - alone).max() < 1e-3 * max(1.0, np.abs(alone).max())
        assert np.allclose(alone[2], alone[0] + alone[1], atol=1e-6)
    assert not together["waveform"].any()  # silence stays silence
    assert system.network_seconds > 0


def test_level_of_the_input_is_kept(voice):
    system, recording = enhancer(), voice(6000)
    loud = system.enhance_batch([recording])[0]["waveform"]
    quiet = system.enhance_batch([0.01 * recording])[0]["waveform"]
    assert np.allclose(100 * quiet[2], loud[2], atol=1e-3)


def test_a_segment_is_brought_to_the_level_of_its_recording(voice):
    system, recording = enhancer(), voice(6000)
    level = Level(1.0, float(np.square(recording).mean()))
    expected = system.enhance_batch([recording])[0]["waveform"]
    assert np.allclose(system.enhance_batch([recording], levels=[level])[0]["waveform"], expected, atol=1e-5)
    # In a louder recording it reaches the network softer: one of four times the power as at half its level.
    gains = []
    system.network.register_forward_pre_hook(lambda _, inputs: gains.append(float(inputs[0].abs().max())))
    system.enhance_batch([recording], levels=[level])
    system.enhance_batch([recording], levels=[level._replace(power=4 * level.power)])
    assert gains[1] == pytest.approx(gains[0] / 2, rel=1e-5)


def test_one_branch_has_no_noise(voice):
    model = tiny_model({"clean": 1.0}, generator=tiny_generator(noise_branch=False))
    spk1, noise1, reconstruction = enhancer(model).enhance_batch([voice(3000)])[0]["waveform"]
    assert not noise1.any() and np.array_equal(spk1, reconstruction)


def test_long_recordings(voice):
    system, recording = enhancer(segment_seconds=1.5), voice(60000)
    pieces = list(system.enhance_long(lambda start, count: recording[start : start + count], len(recording)))
    assert len(pieces) > 1
    assert sum(piece["waveform"].shape[1] for piece in pieces) == 60000


def test_bfloat16_is_near(voice):
    recording, model = voice(6000), tiny_model(generator=tiny_generator(num_quantizers=0))
    exact = enhancer(model).enhance_batch([recording])[0]["waveform"][2]
    rough = enhancer(model, torch.bfloat16).enhance_batch([recording])[0]["waveform"][2]
    assert np.square(exact - rough).sum() < 0.05 * np.square(exact).sum()
    with pytest.raises(UserError, match="--dtype float16: dual_branch runs in float32 or bfloat16"):
        enhancer(model, torch.float16)
