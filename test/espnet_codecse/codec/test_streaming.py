"""Chunk by chunk equals all at once, on every back end."""

import numpy as np
import pytest
import torch
from tiny_codecs import FAMILIES, save_codec

from espnet_codecse.codec import load_codec
from espnet_codecse.codec.streaming import ForwardBuffer, FramesOfCodes, FramesOfWaveform, decode_stream

HOP = 320


@pytest.fixture(scope="module", params=FAMILIES)
def codec(request, tmp_path_factory):
    return load_codec(str(save_codec(tmp_path_factory.mktemp("codec") / request.param, request.param)))


def speech(num_samples, num_channels=2):
    return (0.1 * np.random.default_rng(num_samples).standard_normal((num_channels, num_samples))).astype(np.float32)


def close(a, b):
    return a.shape == b.shape and (a - b).abs().max() <= 1e-5 * b.abs().max()


def in_steps(read, num_frames, step):
    return torch.cat([read(start, min(step, num_frames - start)) for start in range(0, num_frames, step)], dim=1)


@pytest.mark.slow
@pytest.mark.parametrize("num_samples", [1, HOP, 29 * HOP + 7, 61 * HOP])
def test_streams_equal_the_whole(codec, num_samples):
    samples = speech(num_samples)
    longest = []

    def read(start, count):
        longest.append(count)
        return samples[:, start : start + count]

    whole, lengths = codec.encode(torch.from_numpy(samples), torch.tensor([num_samples] * 2))
    frames = FramesOfWaveform(codec, read, num_samples, chunk_frames=5)
    assert frames.num_frames == whole.shape[1]
    assert close(in_steps(frames.read, frames.num_frames, 7), whole)
    if codec.encode_context is not None:
        assert max(longest) <= (5 + 2 * codec.encode_context) * HOP

    quantized, codes = codec.quantize(whole)
    stored = FramesOfCodes(codec, lambda start, count: codes[..., start : start + count].numpy(), len(codes[0, 0]), 5)
    assert close(in_steps(stored.read, frames.num_frames, 4), quantized)

    stored = FramesOfCodes(codec, lambda start, count: codes[..., start : start + count].numpy(), len(codes[0, 0]), 5)
    pieces = list(decode_stream(codec, stored.read, frames.num_frames, num_samples, chunk_frames=6))
    assert close(torch.from_numpy(np.concatenate(pieces, 1)), codec.decode(quantized, lengths, num_samples))


def test_buffer_reads_forwards_and_forgets():
    pieces = iter(np.arange(30).reshape(10, 1, 3))
    buffer = ForwardBuffer(lambda: next(pieces, None), axis=1)
    assert buffer.read(2, 5).tolist() == [[2, 3, 4, 5, 6]]
    assert buffer.read(4, 1).tolist() == [[4]]
    assert buffer.read(20, 4).tolist() == [[20, 21, 22, 23]]
    with pytest.raises(ValueError, match="forgotten"):
        buffer.read(4, 1)
    assert buffer.read(28, 9).tolist() == [[28, 29]]
