"""The power of each frame of a recording whose embeddings are enhanced, read forwards in bounded memory."""

from collections.abc import Callable, Iterator
from itertools import tee

import numpy as np
import torch

from espnet_codecse.activity import powers_of_frames
from espnet_codecse.codec.abs_codec import AbsCodec
from espnet_codecse.codec.streaming import ForwardBuffer


class MeasuredWaveform:
    """Waveform that is passed on to a codec's encoder, and its power in each of the codec's frames.

    Both are read forwards, in steps of any size; what one of them has read is kept until the other one has, too.

    Args:
        read: ``read(start, count)`` returns ``(channel, count)`` samples; it is called forwards.
        num_samples: samples of each channel.
        codec: the codec.
        block_frames: frames that are read at once.
    """

    def __init__(
        self, read: Callable[[int, int], np.ndarray], num_samples: int, codec: AbsCodec, block_frames: int = 500
    ):
        self._read, self._num_samples, self._hop = read, num_samples, codec.hop
        self._num_frames, self._block_frames = codec.num_frames(num_samples), block_frames
        samples, powers = tee(self._blocks())
        self._samples = ForwardBuffer(lambda: next(samples, (None, None))[0], axis=1)
        self._powers = ForwardBuffer(lambda: next(powers, (None, None))[1], axis=1)

    def read(self, start: int, count: int) -> np.ndarray:
        """Return samples ``(channel, count)``; ``start`` must not decrease between calls."""
        return self._samples.read(start, count)

    def read_powers(self, start: int, count: int) -> np.ndarray:
        """Return the mean square of frames, ``(channel, count)``; ``start`` must not decrease between calls."""
        return self._powers.read(start, count)

    def _blocks(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        size = self._block_frames * self._hop
        for start in range(0, self._num_samples, size):
            samples = self._read(start, min(size, self._num_samples - start))
            powers = powers_of_frames(samples, self._hop)
            if start + size >= self._num_samples:  # codecs may have frames after the last sample
                missing = self._num_frames - start // self._hop - powers.shape[1]
                powers = np.pad(powers, ((0, 0), (0, max(missing, 0))))
            yield samples, powers


class DecodedPowers:
    """Power of the waveform that embeddings stand for; each segment is decoded by itself.

    Args:
        codec: the codec.
        read: ``read(start, count)`` returns ``(channel, count, dim)`` frames, forwards.
    """

    def __init__(self, codec: AbsCodec, read: Callable[[int, int], torch.Tensor]):
        self._codec, self._read = codec, read
        self._start, self._powers = 0, np.zeros((1, 0))

    def read_powers(self, start: int, count: int) -> np.ndarray:
        """Return the mean square of frames, ``(channel, count)``; ``start`` must not decrease between calls."""
        # A segment is asked for once to decide where it ends, and again by each channel.
        if start != self._start or count > self._powers.shape[1]:
            embedding = self._read(start, count)
            lengths = torch.full((len(embedding),), count, device=embedding.device)
            with torch.no_grad():
                speech = self._codec.decode(embedding, lengths, count * self._codec.hop)
            self._start, self._powers = start, powers_of_frames(speech.float().cpu().numpy(), self._codec.hop)
        return self._powers[:, :count]
