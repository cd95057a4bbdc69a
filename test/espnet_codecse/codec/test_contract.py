"""The contract's invariants, on every back end, through the loading code of official checkpoints."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny_codecs import FAMILIES, save_codec

from espnet_codecse.codec import load_codec

TOLERANCE = 1e-5


@pytest.fixture(scope="module", params=FAMILIES)
def codec(request, tmp_path_factory):
    return load_codec(str(save_codec(tmp_path_factory.mktemp("codec") / request.param, request.param)))


def _speech(num_samples: int, seed: int = 0) -> torch.Tensor:
    return 0.1 * torch.randn(1, num_samples, generator=torch.Generator().manual_seed(seed))


def _close(a: torch.Tensor, b: torch.Tensor) -> bool:
    return (a - b).abs().max().item() <= TOLERANCE * b.abs().max().item()


@pytest.mark.slow
def test_geometry(codec):
    assert codec.hop == 320
    assert codec.num_frames(16000) == 50
    assert codec.num_frames(1) == 1
    embedding, lengths = codec.encode(_speech(16000), torch.tensor([16000]))
    assert embedding.shape == (1, 50, codec.dim)
    assert lengths.tolist() == [50]


@pytest.mark.slow
def test_activation_follows_the_family(codec):
    if codec.name.endswith("lyra"):
        assert codec.activation == "leaky_relu"
        return
    assert codec.activation == ("snake" if "dac" in codec.name or "mdct" in codec.name else "elu")


@pytest.mark.slow
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lengths=st.lists(st.integers(1, 9000), min_size=2, max_size=4))
def test_batch_equals_one_by_one(codec, lengths):
    signals = [_speech(n, seed) for seed, n in enumerate(lengths)]
    batch = torch.zeros(len(lengths), max(lengths))
    for row, signal in zip(batch, signals):
        row[: signal.shape[1]] = signal[0]
    together, frames = codec.encode(batch, torch.tensor(lengths))
    decoded = codec.decode(together, frames, max(lengths))
    assert decoded.shape == batch.shape
    for index, signal in enumerate(signals):
        alone, num_frames = codec.encode(signal, torch.tensor([signal.shape[1]]))
        assert num_frames.item() == frames[index].item() == codec.num_frames(signal.shape[1])
        assert _close(together[index, : frames[index]], alone[0])
        assert not together[index, frames[index] :].any()
        output = codec.decode(alone, num_frames, signal.shape[1])
        assert output.shape == signal.shape
        assert _close(decoded[index, : signal.shape[1]], output[0])


@pytest.mark.slow
def test_the_whole_bandwidth_is_what_no_bandwidth_is(codec):
    embedding, lengths = codec.encode(_speech(6400), torch.tensor([6400]))
    assert torch.equal(codec.decode(embedding, lengths, 6400, 8000), codec.decode(embedding, lengths, 6400))


@pytest.mark.slow
@pytest.mark.parametrize("num_samples", [1, 319, 320, 321, 40 * 320 + 7, 131 * 320])
def test_chunked_equals_whole(codec, num_samples):
    signal, lengths = _speech(num_samples), torch.tensor([num_samples])
    whole, frames = codec.encode(signal, lengths)
    output = codec.decode(whole, frames, num_samples)
    codec.chunk_frames = 13
    try:
        chunked, chunked_frames = codec.encode(signal, lengths)
        chunked_output = codec.decode(whole, frames, num_samples)
    finally:
        del codec.chunk_frames
    assert frames.tolist() == chunked_frames.tolist()
    assert _close(chunked, whole)
    assert _close(chunked_output, output)


def test_chunking_really_happens(codec):
    calls = []
    first = codec._encoder[0][1][0]
    handle = first.register_forward_hook(lambda module, inputs, output: calls.append(inputs[0].shape[-1]))
    codec.chunk_frames = 20
    try:
        codec.encode(_speech(200 * 320), torch.tensor([200 * 320]))
    finally:
        handle.remove()
        del codec.chunk_frames
    assert len(calls) > 5
    assert max(calls) < 150 * 320


@pytest.mark.slow
def test_a_batch_is_coded_in_groups_that_equal_the_whole(codec):
    batch = torch.cat([_speech(20 * 320, seed=seed) for seed in range(5)])
    lengths = torch.tensor([20 * 320, 6000, 5000, 20 * 320, 1])
    whole, frames = codec.encode(batch, lengths)
    output = codec.decode(whole, frames, batch.shape[1])
    sizes = []
    handle = codec._encoder[0][1][0].register_forward_hook(lambda module, inputs, _: sizes.append(len(inputs[0])))
    codec.chunk_frames = 2 * (20 + codec._encoder_context)
    try:
        grouped, _ = codec.encode(batch, lengths)
        grouped_output = codec.decode(whole, frames, batch.shape[1])
    finally:
        handle.remove()
        del codec.chunk_frames
    assert sizes == [2, 2, 1]
    assert _close(grouped, whole)
    assert _close(grouped_output, output)


def test_frozen_but_differentiable(codec):
    embedding, frames = codec.encode(_speech(3200), torch.tensor([3200]))
    codec.train()
    assert not codec.training
    assert not any(parameter.requires_grad for parameter in codec.parameters())
    embedding.requires_grad_(True)
    codec.decode(embedding, frames, 3200).square().sum().backward()
    assert embedding.grad.abs().sum() > 0


def test_codes_give_the_quantised_embedding(codec):
    embedding, _ = codec.encode(_speech(16000), torch.tensor([16000]))
    quantized, codes = codec.quantize(embedding)
    assert quantized.shape == embedding.shape
    assert codes.shape[0] == 1 and codes.shape[2] == 50 and codes.dtype == torch.int64
    assert _close(codec.dequantize(codes), quantized)


@pytest.mark.slow
def test_fingerprint_names_the_weights(codec, tmp_path):
    again = load_codec(str(save_codec(tmp_path / "same", codec.name.rsplit("/", 1)[-1])))
    assert again.fingerprint == codec.fingerprint
    name, tensor = next(iter(codec.named_parameters()))
    assert len(codec.fingerprint) == 16, name
    assert tensor.numel() > 0


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(num_frames=st.integers(1, 60), batch=st.integers(1, 3), scale=st.floats(0.01, 10.0))
def test_dequantised_codes_are_the_quantised_embedding(codec, num_frames, batch, scale):
    embedding = scale * torch.randn(batch, num_frames, codec.dim, generator=torch.Generator().manual_seed(num_frames))
    quantized, codes = codec.quantize(embedding)
    assert codes.shape == (batch, codec.num_codebooks, num_frames)
    assert codes.min() >= 0 and codes.max() < codec.codebook_size
    assert _close(codec.dequantize(codes), quantized)


@pytest.mark.slow
def test_fewer_codebooks_are_the_first_ones(codec):
    embedding, frames = codec.encode(_speech(16000), torch.tensor([16000]))
    _, codes = codec.quantize(embedding, frames)
    for count in range(1, codec.num_codebooks + 1):
        quantized, fewer = codec.quantize(embedding, frames, num_codebooks=count)
        assert torch.equal(fewer, codes[:, :count])
        assert _close(codec.dequantize(fewer), quantized)


def test_quantised_in_a_batch_as_one_by_one(codec):
    lengths = torch.tensor([16000, 9000])
    speech = torch.cat([_speech(16000), _speech(16000)])
    speech[1, 9000:] = 0
    embedding, frames = codec.encode(speech, lengths)
    together, codes = codec.quantize(embedding, frames)
    for item, count in enumerate(frames.tolist()):
        alone, own_codes = codec.quantize(embedding[item : item + 1, :count])
        assert torch.equal(codes[item, :, :count], own_codes[0])
        assert _close(together[item, :count], alone[0])
