"""Any rate and number of channels through streams at 16 kHz."""

import numpy as np
import pytest

from espnet_codecse.audio import resample
from espnet_codecse.live.channels import ChannelStreams

RATE, LATENCY = 16000, 400


class Delay:
    """A stream that returns its input times a factor, as late as it may."""

    hop, latency_samples, num_not_finite = 320, LATENCY, 0

    def __init__(self, factor: float = 1.0):
        self.factor, self.kept = factor, np.zeros(0, np.float32)

    def process(self, samples):
        kept = np.concatenate([self.kept, self.factor * samples])
        self.kept = kept[max(0, len(kept) - LATENCY) :]
        return kept[: len(kept) - len(self.kept)]

    def flush(self):
        return self.kept

    def reset(self):
        self.kept = self.kept[:0]


def through(streams, samples, input_rate, output_rate, sizes=(1, 700)):
    rng, enhancer = np.random.default_rng(1), ChannelStreams(streams, RATE, input_rate, output_rate)
    pieces, start, late = [], 0, 0.0
    while start < len(samples):
        size = int(rng.integers(*sizes))
        pieces.append(enhancer.process(samples[start : start + size]))
        start += size
        late = max(late, min(start, len(samples)) / input_rate - sum(map(len, pieces)) / output_rate)
    return np.concatenate([*pieces, enhancer.flush()]), late, enhancer


@pytest.mark.parametrize("input_rate, output_rate", [(16000, 16000), (48000, 48000), (44100, 48000), (8000, 8000)])
@pytest.mark.parametrize("num_channels", [1, 3])
@pytest.mark.parametrize("num_samples", [0, 1, 20011])
def test_as_long_as_the_input_aligned_and_in_time(input_rate, output_rate, num_channels, num_samples):
    time = np.arange(num_samples)[:, None] / input_rate
    samples = 0.1 * np.sin(2 * np.pi * np.array([200, 300, 450])[:num_channels] * time).astype(np.float32)
    factors = (1.0, -2.0, 0.5)[:num_channels]
    found, late, enhancer = through([Delay(factor) for factor in factors], samples, input_rate, output_rate)
    assert found.shape == (round(num_samples * output_rate / input_rate), num_channels) and found.dtype == np.float32
    assert late <= enhancer.latency_seconds + 0.05  # a block of a resampler, which grows with what it is given
    if num_samples > 1:
        expected = resample(samples, input_rate, output_rate) * factors
        inner = slice(1000, -1000)
        np.testing.assert_allclose(found[inner], expected[inner], atol=2e-3)
    if input_rate == output_rate == RATE:
        np.testing.assert_array_equal(found, samples * np.float32(factors))
        assert enhancer.latency_seconds == LATENCY / RATE


def test_what_is_not_finite_stays_out_of_the_resampler():
    samples = np.zeros((9000, 2), np.float32)
    samples[100], samples[200, 1] = np.nan, np.inf
    found, _, enhancer = through([Delay(), Delay()], samples, 48000, 48000)
    assert enhancer.num_not_finite == 3 and not found.any()
