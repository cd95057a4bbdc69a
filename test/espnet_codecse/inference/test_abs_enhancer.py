"""What every system does with recordings of any length, level and options."""

import argparse
from typing import ClassVar

import numpy as np
import pytest
import torch

from espnet_codecse.errors import UserError
from espnet_codecse.inference.abs_enhancer import AbsEnhancer, RunSettings
from espnet_codecse.level import Level, measure_levels


class Echo(AbsEnhancer):
    """Returns what it is given and notes the levels that come with it."""

    OPTIONS: ClassVar = {"num_steps": int}
    needs_level = True

    def __init__(self, num_steps: int = 1):
        super().__init__(1000, ["waveform"], ["spk1"], 1000, 100)
        self.num_steps, self.levels = num_steps, []

    @classmethod
    def _from_model(cls, model, training, run, **options):
        return cls(**options)

    def enhance_batch(self, speech, references=None, levels=None):
        self.levels.append(levels)
        return [{"waveform": samples[None]} for samples in speech]


def enhance_long(enhancer, samples, **kwargs):
    pieces = enhancer.enhance_long(lambda start, count: samples[start : start + count], len(samples), **kwargs)
    return np.concatenate([piece["waveform"] for piece in pieces], axis=1)[0]


def test_every_segment_comes_with_the_level_of_its_recording():
    samples = np.concatenate([np.full(2500, 0.01), np.full(2500, -0.5)]).astype(np.float32)
    enhancer, level = Echo(), Level(0.5, np.square(samples.astype(np.float64)).mean())
    assert np.allclose(enhance_long(enhancer, samples), samples, atol=1e-6)
    assert len(enhancer.levels) > 4
    for (found,) in enhancer.levels:
        assert found.peak == level.peak and found.power == pytest.approx(level.power)
    # A level that is known is not measured again.
    enhancer = Echo()
    enhance_long(enhancer, samples, level=Level(2.0, 3.0))
    assert set(map(tuple, enhancer.levels)) == {((2.0, 3.0),)}


def test_one_segment_is_measured_where_it_is_processed():
    enhancer = Echo()
    enhance_long(enhancer, np.ones(1100, np.float32))
    assert enhancer.levels == [None] and enhancer.fits_segment(1100) and not enhancer.fits_segment(1101)


def test_levels_of_channels_are_measured_block_by_block(monkeypatch):
    monkeypatch.setattr("espnet_codecse.level._BLOCK", 7)
    channels = np.array([np.linspace(-1, 0.5, 50), np.zeros(50)], np.float32)
    loud, silent = measure_levels(lambda start, count: channels[:, start : start + count], 2, 50)
    assert loud.peak == 1.0 and loud.power == pytest.approx(np.square(channels[0]).mean(), rel=1e-6)
    assert silent == Level(0.0, 0.0)


def test_options_are_checked_before_anything_is_built():
    arguments = (torch.nn.Identity(), argparse.Namespace())
    assert Echo.from_model(*arguments, RunSettings(options={"num_steps": "3"})).num_steps == 3
    with pytest.raises(UserError, match="steps: unknown option of this system; known: num_steps"):
        Echo.from_model(*arguments, RunSettings(options={"steps": 3}))
    with pytest.raises(UserError, match="num_steps many: not a number"):
        Echo.from_model(*arguments, RunSettings(options={"num_steps": "many"}))


def test_only_causal_systems_stream():
    with pytest.raises(UserError, match="not causal"):
        Echo().stream()
