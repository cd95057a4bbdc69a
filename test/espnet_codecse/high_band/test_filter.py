"""The filter of the upper band: exact where nothing is removed, the same in pieces of any size and at any level."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from voices import voice

from espnet_codecse.audio import resample
from espnet_codecse.high_band.bands import HIGH_EDGES, NUM_HIGH, Bands
from espnet_codecse.high_band.filter import HighBandFilter
from espnet_codecse.high_band.load import load_network

RATES = [22050, 24000, 32000, 44100, 48000, 96000]


def through(signal: np.ndarray, rate: int) -> np.ndarray:
    """Return ``signal (sample, channel)`` after its passage through 16 kHz, as long as before."""
    low = resample(resample(signal.astype(np.float32), rate, 16000), 16000, rate)
    return np.pad(low, ((0, max(0, len(signal) - len(low))), (0, 0)))[: len(signal)].astype(np.float64)


def noise(rate: int, seconds: float = 1.0, channels: int = 2) -> np.ndarray:
    return 0.1 * np.random.default_rng(0).standard_normal((round(seconds * rate), channels))


def filtered(network, enhanced, recording, rate, edges=()):
    band = HighBandFilter(network, rate, 16000, recording.shape[1])
    bounds = [0, *edges, len(recording)]
    pieces = [
        band.push(enhanced[first:end], recording[first:end], end == len(recording))
        for first, end in itertools.pairwise(bounds)
    ]
    outputs, beside = (np.concatenate(column) for column in zip(*pieces))
    np.testing.assert_array_equal(beside, recording)
    return outputs


@pytest.mark.parametrize("rate", RATES)
def test_an_enhancer_that_changes_nothing_returns_the_recording(rate):
    recording = noise(rate, seconds=1.01)
    outputs = filtered(None, through(recording, rate), recording, rate)
    np.testing.assert_allclose(outputs, recording, atol=1e-12)


@settings(max_examples=20, deadline=None)
@given(edges=st.lists(st.integers(0, 44100), max_size=8), rate=st.sampled_from([16001, 44100, 48000]))
def test_pieces_of_any_size_are_as_the_whole(edges, rate):
    recording = noise(rate)
    enhanced, edges = 0.5 * through(recording, rate), sorted(min(edge, len(recording) - 1) for edge in edges)
    whole = filtered(load_network(), enhanced, recording, rate)
    np.testing.assert_allclose(filtered(load_network(), enhanced, recording, rate, edges), whole, atol=1e-6)


@pytest.mark.parametrize("num_samples", [1, 100, 479, 480, 481, 2000])
def test_short_recordings_keep_their_length(num_samples):
    recording = noise(48000)[:num_samples]
    assert filtered(load_network(), 0 * recording, recording, 48000).shape == recording.shape


def test_gains_follow_what_was_removed_below():
    """Hiss that the enhancer keeps below 8 kHz is kept above; hiss that it removes goes there too."""
    rate = 48000
    speech = resample(voice(4 * 16000).astype(np.float32), 16000, rate)[:, None].astype(np.float64)
    hiss = 0.02 * noise(rate, 4.0, 1)
    kept = filtered(load_network(), through(hiss, rate), hiss, rate) - through(hiss, rate)
    removed = filtered(load_network(), 0 * hiss, hiss, rate)
    assert np.square(removed[rate:]).mean() < 0.1 * np.square(kept[rate:]).mean() + 1e-12
    assert np.isfinite(filtered(load_network(), speech, speech, rate)).all()


@pytest.mark.parametrize("gain_db", [-40, 20])
def test_the_level_of_a_recording_does_not_matter(gain_db):
    recording, gain = noise(48000, 2.0, 1), 10 ** (gain_db / 20)
    first = filtered(load_network(), 0.1 * through(recording, 48000), recording, 48000)
    other = filtered(load_network(), 0.1 * through(gain * recording, 48000), gain * recording, 48000)
    np.testing.assert_allclose(other / gain, first, atol=1e-4)


def test_channels_are_filtered_by_themselves():
    recording = noise(48000)
    enhanced = through(recording, 48000) * np.array([0.0, 1.0])
    both = filtered(load_network(), enhanced, recording, 48000)
    for channel in (0, 1):
        one = slice(channel, channel + 1)
        alone = filtered(load_network(), enhanced[:, one], recording[:, one], 48000)
        np.testing.assert_allclose(both[:, one], alone, atol=1e-6)


def test_bands_hold_the_power_of_a_signal():
    bands = Bands(48000)
    signal = noise(48000, 1.0, 1)
    spectra = bands.spectra(signal)
    above = spectra.copy()
    above[:, :, : bands.high_begin] = 0.0  # whose part just below 8 kHz belongs to the lowest of the high bands
    total = bands.low_powers(spectra).sum(2) + bands.high_powers(above).sum(2)
    assert total.mean() == pytest.approx(np.square(signal).mean(), rel=0.02)
    tone = np.sin(2 * np.pi * 10000 * np.arange(48000) / 48000)[:, None]
    powers = bands.high_powers(bands.spectra(tone))[0].mean(0)
    assert powers.argmax() == np.searchsorted(HIGH_EDGES, 10000) - 1 and powers.sum() == pytest.approx(0.5, rel=0.01)
    np.testing.assert_allclose(bands.gains_of_bins(np.ones((1, NUM_HIGH))), 1.0)
