"""What every system does with recordings of any length, level and options."""

import argparse
from typing import ClassVar

import numpy as np
import pytest
import torch

from espnet_codecse.errors import UserError
from espnet_codecse.inference.abs_enhancer import AbsEnhancer, RunSettings
from espnet_codecse.level import Level, level_of, measure_levels

RATE = 1000  # Hz


class Echo(AbsEnhancer):
    """Returns what it is given and notes its levels and lengths."""

    OPTIONS: ClassVar = {"num_steps": int}
    needs_level = True

    def __init__(self, num_steps: int = 1):
        super().__init__(RATE, ["waveform"], ["spk1"], 1000, 100)
        self.num_steps, self.levels, self.lengths = num_steps, [], []

    @classmethod
    def _from_model(cls, model, training, run, **options):
        return cls(**options)

    def _enhance_batch(self, speech, references, levels):
        self.levels.append(levels)
        self.lengths.append([len(samples) for samples in speech])
        return [{"waveform": samples[None]} for samples in speech]


def enhance_long(enhancer, samples, **kwargs):
    pieces = enhancer.enhance_long(lambda start, count: samples[start : start + count], len(samples), **kwargs)
    return np.concatenate([piece["waveform"] for piece in pieces], axis=1)[0]


def tone(num_samples, amplitude=0.1, frequency=120.0):
    return (amplitude * np.sin(2 * np.pi * frequency / RATE * np.arange(num_samples))).astype(np.float32)


def test_every_segment_comes_with_the_level_of_its_recording():
    samples = np.concatenate([tone(2500, 0.1), tone(2500, 0.5)])
    enhancer, level = Echo(), Level(float(np.abs(samples).max()), np.square(samples.astype(np.float64)).mean())
    assert np.allclose(enhance_long(enhancer, samples), samples, atol=1e-6)
    assert len(enhancer.levels) > 4
    for (found,) in enhancer.levels:
        assert found.peak == level.peak and found.power == pytest.approx(level.power)
    # A level that is known is not measured again.
    enhancer = Echo()
    enhance_long(enhancer, samples, level=Level(2.0, 3.0))
    assert set(map(tuple, enhancer.levels)) == {((2.0, 3.0),)}


def test_one_segment_is_measured_where_it_is_processed():
    enhancer, samples = Echo(), tone(1100)
    enhance_long(enhancer, samples)
    assert enhancer.levels == [[level_of(samples, RATE)]]
    assert enhancer.fits_segment(1100) and not enhancer.fits_segment(1101)


def test_levels_of_channels_are_measured_block_by_block(monkeypatch):
    monkeypatch.setattr("espnet_codecse.level._BLOCK_FRAMES", 3)
    channels = np.array([np.linspace(-1, 0.5, 500), np.zeros(500)], np.float32)
    loud, silent = measure_levels(lambda start, count: channels[:, start : start + count], 2, 500, RATE)
    assert loud.peak == 1.0 and loud.power == pytest.approx(np.square(channels[0]).mean(), rel=0.01)
    assert silent == Level(0.0, 0.0)


@pytest.mark.parametrize("floor", [0.0, 1e-4])
def test_the_level_is_that_of_speech_whatever_the_pauses(floor):
    speech, pause = tone(1000), tone(5000, floor)
    alone, track = level_of(speech, RATE), level_of(np.concatenate([pause, speech, pause, speech]), RATE)
    assert track.peak == alone.peak and track.power == pytest.approx(alone.power, rel=1e-3)


@pytest.mark.parametrize("floor", [0.0, 1e-4])
def test_pauses_are_enhanced_apart_and_put_back(floor):
    speech, pause = tone(800), tone(4000, floor)
    track = np.concatenate([pause, speech, pause[:400], speech, pause])
    enhancer = Echo()
    together = enhancer.enhance_batch([track, speech, np.zeros(50, np.float32)])
    # The network sees the speech of the track alone. Silence is not computed; other pauses are those of the whole.
    lengths = sorted(length for batch in enhancer.lengths for length in batch)
    assert [length for length in lengths if 700 < length < 2000] == pytest.approx([800, 1600], abs=60)
    assert lengths[2:] == ([len(track)] if floor else [])
    for samples, output in zip([track, speech, np.zeros(50)], together):
        assert output["waveform"].dtype == np.float32
        np.testing.assert_allclose(output["waveform"][0], samples, atol=1e-6)
    assert not together[0]["waveform"][0, :3900].any() or floor


def test_parts_take_no_more_memory_than_recordings():
    bursts = np.concatenate([np.concatenate([tone(300), np.zeros(400, np.float32)]) for _ in range(4)])
    enhancer = Echo()
    enhancer.enhance_batch([bursts, tone(2800), tone(2700)])
    assert all(len(batch) * max(batch) <= 3 * 2800 for batch in enhancer.lengths)


def test_segments_end_in_pauses():
    # A segment of 1 s would cut the speech from 0.7 to 1.3 s in two.
    samples = np.concatenate([tone(500), np.zeros(200, np.float32), tone(600), np.zeros(400, np.float32), tone(900)])
    enhancer = Echo()
    assert np.allclose(enhance_long(enhancer, samples), samples, atol=1e-6)
    first, second, *_ = enhancer.segments(lambda start, count: samples[start : start + count], len(samples))
    assert first == (0, pytest.approx(650, abs=20), False)
    assert second[0] == first[1] - 100 and 1300 < sum(second[:2]) <= 1700


def test_rumble_is_removed_before_the_network():
    speech = tone(1000)
    offset, _ = Echo().enhance_batch([speech + 0.2, speech])
    np.testing.assert_allclose(offset["waveform"][0, 100:-100], speech[100:-100], atol=2e-3)


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
