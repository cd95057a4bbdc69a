"""Streams: as at once by ESPnet's encoder and decoder, in pieces of any size, for ever."""

import tracemalloc

import numpy as np
import pytest
import torch
from espnet2.enh.decoder.stft_decoder import STFTDecoder
from espnet2.enh.encoder.stft_encoder import STFTEncoder

from espnet_codecse.causal.framing import FFT_SIZE, HOP, LEAD, WINDOW_SIZE, Compression
from espnet_codecse.causal.gcrn import GCRN
from espnet_codecse.causal.streaming import StreamingEnhancer, TorchFrames

OPTIONS = {"n_fft": FFT_SIZE, "win_length": WINDOW_SIZE, "hop_length": HOP}
EXPONENT = {"spec_transform_type": "exponent", "spec_abs_exponent": 0.5, "spec_factor": 0.15}


def network(seed: int = 0, **options) -> GCRN:
    torch.manual_seed(seed)
    return GCRN(channels=(2, 2, 4, 4, 4), **options).eval()


def noise(num_samples: int, seed: int = 0) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).standard_normal(num_samples).astype(np.float32)


@torch.no_grad()
def offline(model: GCRN, samples: np.ndarray, transform: dict) -> np.ndarray:
    """By ESPnet, with silence before and after."""
    after = 4 * HOP + -len(samples) % HOP  # whole hops: PyTorch's inverse wants every sample under a window
    padded = torch.from_numpy(np.concatenate([np.zeros(LEAD), samples, np.zeros(after)]).astype(np.float32))[None]
    lengths = torch.tensor([padded.shape[1]])
    spectrum, _ = STFTEncoder(**OPTIONS, **transform)(padded, lengths)
    enhanced = model(torch.stack([spectrum.real, spectrum.imag], dim=1))[0]
    speech, _ = STFTDecoder(**OPTIONS, **transform)(torch.complex(*enhanced.unbind(1)), lengths)
    return speech[0, LEAD : LEAD + len(samples)].numpy()


def in_pieces(enhancer: StreamingEnhancer, samples: np.ndarray, sizes) -> np.ndarray:
    outputs, start = [], 0
    while start < len(samples):
        size = next(sizes)
        outputs.append(enhancer.process(samples[start : start + size]))
        start += size
        assert min(start, len(samples)) - sum(map(len, outputs)) <= enhancer.latency_samples
    return np.concatenate([*outputs, enhancer.flush()])


def random_sizes(low: int, high: int, seed: int = 0):
    rng = np.random.default_rng(seed)
    while True:
        yield int(rng.integers(low, high + 1))


@pytest.mark.parametrize("transform", [{}, EXPONENT], ids=["plain", "compressed"])
@pytest.mark.parametrize("num_samples", [1, 119, 120, 121, 400, 5003])
@pytest.mark.parametrize("largest", [1, 37, 16000])
def test_as_at_once(transform, num_samples, largest):
    if largest == 1 and num_samples > 500:
        num_samples = 700
    model, samples = network(), noise(num_samples)
    enhancer = StreamingEnhancer(TorchFrames(model), Compression.from_configuration(transform))
    streamed = in_pieces(enhancer, samples, random_sizes(1, largest))
    assert streamed.shape == samples.shape and streamed.dtype == np.float32
    np.testing.assert_allclose(streamed, offline(model, samples, transform), atol=1e-5)


def test_without_a_network_it_is_the_input():
    class Same:
        def __call__(self, spectrum):
            return spectrum

        def reset(self):
            pass

    samples = noise(3000)
    for compression in (Compression(), Compression(0.5, 0.15)):
        streamed = in_pieces(StreamingEnhancer(Same(), compression), samples, random_sizes(1, 500))
        np.testing.assert_allclose(streamed, samples, atol=1e-5)


def test_the_future_changes_nothing_before():
    samples = noise(4000)
    changed = samples.copy()
    changed[2000:] += 0.1
    first, second = (
        in_pieces(StreamingEnhancer(TorchFrames(network())), item, iter([5000])) for item in (samples, changed)
    )
    np.testing.assert_array_equal(first[: 2000 - WINDOW_SIZE], second[: 2000 - WINDOW_SIZE])
    assert np.abs(first - second)[2000:].max() > 1e-4


def test_flush_and_reset_begin_anew():
    enhancer = StreamingEnhancer(TorchFrames(network()))
    first = in_pieces(enhancer, noise(2500), random_sizes(1, 700))
    enhancer.process(noise(999, seed=1))
    enhancer.reset()
    np.testing.assert_array_equal(in_pieces(enhancer, noise(2500), random_sizes(1, 700)), first)
    assert len(enhancer.flush()) == 0


def test_what_is_not_finite_is_silence_and_leaves_no_trace():
    samples = noise(8000)
    broken, silenced = samples.copy(), samples.copy()
    broken[[100, 101, 4000]] = np.nan, np.inf, -np.inf
    silenced[[100, 101, 4000]] = 0
    enhancer = StreamingEnhancer(TorchFrames(network()))
    found = in_pieces(enhancer, broken, random_sizes(1, 500))
    assert enhancer.num_not_finite == 3 and np.isfinite(found).all()
    np.testing.assert_array_equal(found, in_pieces(enhancer, silenced, random_sizes(1, 500)))


def test_two_streams_at_once():
    model, streams = network(), [noise(3000, seed) for seed in (1, 2)]
    alone = [in_pieces(StreamingEnhancer(TorchFrames(model)), samples, iter([3000])) for samples in streams]
    enhancers = [StreamingEnhancer(TorchFrames(model)) for _ in streams]
    together = [[], []]
    for start in range(0, 3000, 250):
        for enhancer, samples, outputs in zip(enhancers, streams, together):
            outputs.append(enhancer.process(samples[start : start + 250]))
    for enhancer, outputs, expected in zip(enhancers, together, alone):
        np.testing.assert_allclose(np.concatenate([*outputs, enhancer.flush()]), expected, atol=1e-6)


@pytest.mark.slow
def test_ten_minutes_without_drift_or_growth():
    enhancer = StreamingEnhancer(TorchFrames(network(condition="student", embedding_size=4)))
    second, num_out, held = noise(16000), 0, []
    tracemalloc.start()
    for index in range(600):
        num_out += len(enhancer.process(second))
        assert 0 <= (index + 1) * 16000 - num_out <= enhancer.latency_samples
        if index in (10, 599):
            held.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert num_out + len(enhancer.flush()) == 600 * 16000
    assert held[1] - held[0] < 20_000
