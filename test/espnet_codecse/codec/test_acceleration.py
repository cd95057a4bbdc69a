"""A codec in bfloat16 agrees with itself in float32, and its parts with those of PyTorch."""

import copy

import pytest
import torch
from tiny_codecs import FAMILIES, save_codec

from espnet_codecse.codec import load_codec
from espnet_codecse.codec.acceleration import Conv1d, ConvTranspose1d, Snake
from espnet_codecse.errors import UserError

NUM_SAMPLES = 16000
LEAST_SNR = 45.0  # dB, of the embedding


def _speech(seed: int = 0, num_samples: int = NUM_SAMPLES) -> torch.Tensor:
    return 0.1 * torch.randn(1, num_samples, generator=torch.Generator().manual_seed(seed))


def _snr(wanted: torch.Tensor, found: torch.Tensor) -> float:
    return float(10 * torch.log10(wanted.square().sum() / (wanted - found).square().sum()))


@pytest.fixture(scope="module", params=FAMILIES)
def folder(request, tmp_path_factory):
    return str(save_codec(tmp_path_factory.mktemp("codec") / request.param, request.param))


def test_bfloat16_agrees_with_float32(folder):
    exact, fast = load_codec(folder), load_codec(folder, dtype="bfloat16")
    lengths = torch.tensor([NUM_SAMPLES])
    wanted, frame_lengths = exact.encode(_speech(), lengths)
    found, _ = fast.encode(_speech(), lengths)
    assert found.dtype == torch.float32
    assert fast.fingerprint == exact.fingerprint and fast.dim == exact.dim
    if fast.product_dtype == torch.float32:  # the small codec and Lyra V2
        assert torch.equal(found, wanted)
        return
    assert LEAST_SNR < _snr(wanted, found) < 120.0  # not computed in float32 either
    signal = exact.decode(wanted, frame_lengths, NUM_SAMPLES)
    decoded = fast.decode(wanted, frame_lengths, NUM_SAMPLES)
    assert decoded.dtype == torch.float32
    assert 35.0 < _snr(signal, decoded) < 120.0


def test_chunks_and_batches_agree_with_the_whole(folder):
    fast = load_codec(folder, dtype="bfloat16")
    lengths = torch.tensor([NUM_SAMPLES, 5000])
    batch = torch.cat([_speech(), _speech(1) * (torch.arange(NUM_SAMPLES) < 5000)])
    alone, _ = fast.encode(batch[1:, :5000], lengths[1:])
    whole, frame_lengths = fast.encode(batch, lengths)
    decoded = fast.decode(whole, frame_lengths, NUM_SAMPLES)
    fast.chunk_frames = 13
    try:
        chunked, _ = fast.encode(batch, lengths)
        chunked_signal = fast.decode(whole, frame_lengths, NUM_SAMPLES)
    finally:
        del fast.chunk_frames
    assert _snr(whole, chunked) > LEAST_SNR
    assert _snr(decoded, chunked_signal) > 35.0
    assert _snr(alone[0], whole[1, : alone.shape[1]]) > LEAST_SNR


def test_gradients_agree_with_float32(folder):
    gradients = []
    for dtype in ("float32", "bfloat16"):
        codec = load_codec(folder, dtype=dtype)
        embedding, frame_lengths = codec.encode(_speech(), torch.tensor([NUM_SAMPLES]))
        embedding = embedding.detach().requires_grad_(True)
        (codec.decode(embedding, frame_lengths, NUM_SAMPLES) * _speech(2)).sum().backward()
        gradients.append(embedding.grad)
    assert _snr(*gradients) > 30.0


def test_the_trainable_copy_of_an_encoder_is_float32(folder):
    exact, fast = load_codec(folder), load_codec(folder, dtype="bfloat16")
    fast.encode(_speech(), torch.tensor([NUM_SAMPLES]))  # the weights in bfloat16 exist
    layers = fast.encoder_copy()
    assert sorted(layers.state_dict()) == sorted(exact.encoder_copy().state_dict())
    wanted, _ = exact.encode(_speech(), torch.tensor([NUM_SAMPLES]))
    found, _ = fast.encode_with(layers, _speech(), torch.tensor([NUM_SAMPLES]))
    assert _snr(wanted, found.detach()) > 90.0
    if not list(layers.parameters()):  # the small codec's transform
        return
    found.square().sum().backward()
    assert all(parameter.grad is not None for parameter in layers.parameters())
    with torch.no_grad():
        for parameter in layers.parameters():
            parameter.zero_()
    for parameter in layers.parameters():
        parameter.requires_grad_(False)
    assert not fast.encode_with(layers, _speech(), torch.tensor([NUM_SAMPLES]))[0].any()


@pytest.mark.parametrize("stride", [1, 2, 5])
@pytest.mark.parametrize("dilation", [1, 3])
def test_convolutions_are_those_of_pytorch(stride, dilation):
    torch.manual_seed(0)
    layer = torch.nn.Conv1d(6, 10, 7, stride, padding=2, dilation=dilation)
    units = torch.randn(2, 6, 100)
    torch.testing.assert_close(Conv1d(layer, torch.float32)(units), layer(units), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "extra"), [(4, 2, 1, 0), (10, 5, 3, 1), (6, 2, 0, 0), (3, 3, 0, 0)]
)
def test_transposed_convolutions_are_those_of_pytorch(kernel, stride, padding, extra):
    torch.manual_seed(0)
    layer = torch.nn.ConvTranspose1d(6, 10, kernel, stride, padding=padding, output_padding=extra)
    units = torch.randn(2, 6, 50)
    torch.testing.assert_close(ConvTranspose1d(layer, torch.float32)(units), layer(units), rtol=1e-5, atol=1e-5)


def test_snake_is_that_of_transformers():
    from transformers.models.dac.modeling_dac import Snake1d

    layer = Snake1d(96)
    torch.nn.init.uniform_(layer.alpha, 0.1, 3.0)
    units = torch.randn(2, 96, 2000)  # several blocks
    wanted = layer(units)
    fast = Snake(copy.deepcopy(layer), torch.float32)
    torch.testing.assert_close(fast(units), wanted)  # with gradients of alpha
    with torch.no_grad():
        torch.testing.assert_close(fast(units), wanted)


def test_what_a_data_type_needs(tmp_path):
    folder = str(save_codec(tmp_path / "dac", "dac"))
    with pytest.raises(UserError, match="--codec_dtype bfloat16: codecs use it on a CPU only, not on cuda"):
        load_codec(folder, "cuda", "bfloat16")
