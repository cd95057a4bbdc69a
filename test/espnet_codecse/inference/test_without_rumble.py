"""Rumble is removed from long recordings block by block, as from short ones at once."""

import numpy as np
import pytest

from espnet_codecse.inference.without_rumble import WithoutRumble
from espnet_codecse.rumble import remove_rumble

RATE = 8000


def recording(seconds):
    time = np.arange(round(seconds * RATE)) / RATE
    return (0.1 * np.sin(2 * np.pi * 200 * time)).astype(np.float32)


def in_pieces(samples, block_seconds):
    """Return the result, read in pieces that overlap, and the largest number of samples that were read at once."""
    asked = []

    def read(start, count):
        asked.append((start, count))
        return samples[:, start : start + count]

    reader = WithoutRumble(read, samples.shape[1], RATE, round(block_seconds * RATE))
    pieces = [reader.read(start, 1300)[:, :1000] for start in range(0, samples.shape[1], 1000)]
    starts, counts = zip(*asked)
    assert sorted(starts) == list(starts)
    return np.concatenate(pieces, axis=1), max(counts)


def test_blocks_equal_the_whole():
    time = np.arange(20 * RATE) / RATE
    samples = recording(20.0)
    rumbling = samples + (0.3 + 0.1 * np.sin(2 * np.pi * 9 * time)).astype(np.float32)
    found, largest = in_pieces(np.stack([rumbling, samples]), 3.0)
    assert largest <= 6 * RATE
    np.testing.assert_array_equal(found[1], samples)  # this channel has none
    np.testing.assert_allclose(found[0], remove_rumble(rumbling, RATE), atol=1e-4)
    inner = slice(RATE, -RATE)
    np.testing.assert_allclose(found[0, inner], samples[inner], atol=1e-3)


def test_short_recordings_are_one_block():
    samples = recording(3.7) + np.float32(0.2)
    np.testing.assert_allclose(in_pieces(samples[None], 3.0)[0][0], remove_rumble(samples, RATE), atol=1e-7)


def test_rumble_of_a_part():
    samples = recording(12.0)
    gust = samples.copy()
    gust[6 * RATE :] += 0.2 * np.sin(2 * np.pi * 8 * np.arange(6 * RATE) / RATE).astype(np.float32)
    found, _ = in_pieces(gust[None], 3.0)
    np.testing.assert_array_equal(found[0, : 6 * RATE], samples[: 6 * RATE])
    np.testing.assert_allclose(found[0, 7 * RATE : -RATE], samples[7 * RATE : -RATE], atol=2e-3)
    assert np.abs(np.diff(found[0])).max() < 1.5 * np.abs(np.diff(samples)).max()  # no steps between blocks


@pytest.mark.parametrize("num_samples", [1, 159, 24001])
def test_odd_lengths(num_samples):
    samples = np.full((2, num_samples), 0.3, np.float32)
    assert in_pieces(samples, 1.0)[0].shape == samples.shape
