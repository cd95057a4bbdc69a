"""Streams: as at once by ESPnet's encoder and decoder, in pieces of any size, for ever."""

import tracemalloc

import numpy as np
import pytest
import torch
from espnet2.enh.decoder.stft_decoder import STFTDecoder
from espnet2.enh.encoder.stft_encoder import STFTEncoder

from espnet_codecse.causal.dpcrn import DPCRN
from espnet_codecse.causal.framing import STFTSettings
from espnet_codecse.causal.gcrn import GCRN
from espnet_codecse.causal.streaming import StreamingEnhancer, TorchFrames

EXPONENT = {"spec_transform_type": "exponent", "spec_abs_exponent": 0.5, "spec_factor": 0.15}
PUBLISHED = {"n_fft": 512, "win_length": 400, "hop_length": 320}
FRONT_ENDS = {
    "published": PUBLISHED,
    "compressed": {**PUBLISHED, **EXPONENT},
    "half": {"n_fft": 512, "win_length": 512, "hop_length": 256, **EXPONENT},
    "quarter": {"n_fft": 512, "win_length": None, "hop_length": 128},
    "odd": {"n_fft": 512, "win_length": 500, "hop_length": 190},
}


def network(seed: int = 0, **options) -> GCRN:
    torch.manual_seed(seed)
    return GCRN(channels=(2, 2, 4, 4, 4), **options).eval()


def dual_path_network() -> DPCRN:
    torch.manual_seed(0)
    return DPCRN(channels=(2, 4), band_hidden_size=4, frame_hidden_size=5).eval()


def noise(num_samples: int, seed: int = 0) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).standard_normal(num_samples).astype(np.float32)


@torch.no_grad()
def offline(model, samples: np.ndarray, front_end: dict) -> np.ndarray:
    """By ESPnet, with silence before and after."""
    settings = STFTSettings.from_configuration(front_end)
    # Whole hops: PyTorch's inverse wants every sample under a window.
    after = 4 * settings.window_size + -(len(samples) + 4 * settings.window_size) % settings.hop
    parts = np.zeros(settings.lead), samples, np.zeros(after)
    padded = torch.from_numpy(np.concatenate(parts).astype(np.float32))[None]
    lengths = torch.tensor([padded.shape[1]])
    spectrum, _ = STFTEncoder(**front_end)(padded, lengths)
    enhanced = model(torch.stack([spectrum.real, spectrum.imag], dim=1))[0]
    speech, _ = STFTDecoder(**front_end)(torch.complex(*enhanced.unbind(1)), lengths)
    return speech[0, settings.lead : settings.lead + len(samples)].numpy()


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


@pytest.mark.parametrize("build", [network, dual_path_network])
@pytest.mark.parametrize("front_end", FRONT_ENDS)
@pytest.mark.parametrize("num_samples", [1, 119, 120, 121, 400, 5003])
@pytest.mark.parametrize("largest", [1, 37, 16000])
def test_as_at_once(build, front_end, num_samples, largest):
    if largest == 1 and num_samples > 500:
        num_samples = 700
    model, samples, front_end = build(), noise(num_samples), FRONT_ENDS[front_end]
    enhancer = StreamingEnhancer(TorchFrames(model), STFTSettings.from_configuration(front_end))
    streamed = in_pieces(enhancer, samples, random_sizes(1, largest))
    assert streamed.shape == samples.shape and streamed.dtype == np.float32
    np.testing.assert_allclose(streamed, offline(model, samples, front_end), atol=1e-5)


def test_without_a_network_it_is_the_input():
    class Same:
        def __call__(self, spectrum):
            return spectrum

        def reset(self):
            pass

    samples = noise(3000)
    for front_end in FRONT_ENDS.values():
        enhancer = StreamingEnhancer(Same(), STFTSettings.from_configuration(front_end))
        streamed = in_pieces(enhancer, samples, random_sizes(1, 500))
        np.testing.assert_allclose(streamed, samples, atol=1e-5)


def test_the_future_changes_nothing_before():
    samples = noise(4000)
    changed = samples.copy()
    changed[2000:] += 0.1
    first, second = (
        in_pieces(StreamingEnhancer(TorchFrames(network())), item, iter([5000])) for item in (samples, changed)
    )
    np.testing.assert_array_equal(first[: 2000 - 400], second[: 2000 - 400])
    assert np.abs(first - second)[2000:].max() > 1e-4


@pytest.mark.parametrize(
    "conf, message",
    [
        ({"hop_length": 512}, "hop 512, window 512"),
        ({"win_length": 600}, "window 600 and Fourier transform 512"),
        ({"window": "hamming"}, "Hann"),
        ({"center": False}, "centred"),
        ({"spec_transform_type": "log"}, "spec_transform_type 'log'"),
    ],
)
def test_front_ends_that_do_not_stream(conf, message):
    with pytest.raises(ValueError, match=message):
        STFTSettings.from_configuration(conf)


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
