"""Remove rumble from a recording of any length that is read forwards, in bounded memory."""

from collections.abc import Callable, Iterator

import numpy as np

from espnet_codecse.activity import frame_size
from espnet_codecse.codec.streaming import ForwardBuffer
from espnet_codecse.rumble import has_rumble, rumble_of

_CONTEXT_SECONDS = 1.0  # the filter has faded by more than 80 dB
_FADE_SECONDS = 0.2  # between a block with rumble and one without


class WithoutRumble:
    """A recording without rumble, as :func:`espnet_codecse.rumble.remove_rumble` removes it from one that is short.

    Each block and channel is filtered only if it has rumble, so that the other blocks stay exactly as they are.

    Args:
        read: ``read(start, count)`` returns ``(channel, count)`` samples; it is called with increasing ``start`` only.
        num_samples: samples of each channel.
        sample_rate: Hz.
        block_samples: samples of a block. The last block includes a remainder of up to a second.
    """

    def __init__(self, read: Callable[[int, int], np.ndarray], num_samples: int, sample_rate: int, block_samples: int):
        self._read, self._num_samples, self._rate = read, num_samples, sample_rate
        frame = frame_size(sample_rate)
        self._block = max(1, block_samples // frame) * frame  # digital silence is found frame by frame
        blocks = self._blocks()
        self._buffer = ForwardBuffer(lambda: next(blocks, None), axis=1)

    def read(self, start: int, count: int) -> np.ndarray:
        """Return ``(channel, count)``; ``start`` must not decrease between calls."""
        return self._buffer.read(start, count)

    def _blocks(self) -> Iterator[np.ndarray]:
        context = round(_CONTEXT_SECONDS * self._rate)
        start, shares = 0, None
        while start < self._num_samples:
            stop = start + self._block
            if self._num_samples - stop <= context:
                stop = self._num_samples
            first, last = max(0, start - context), min(self._num_samples, stop + context)
            heard = self._read(first, last - first)
            before, block, after = np.split(heard, [start - first, stop - first], axis=1)
            found = np.array([has_rumble(channel, self._rate) for channel in block], float)
            yield self._filter(before, block, after, found, found if shares is None else shares)
            start, shares = stop, found

    def _filter(
        self, before: np.ndarray, block: np.ndarray, after: np.ndarray, found: np.ndarray, shares: np.ndarray
    ) -> np.ndarray:
        """Return ``block (channel, sample)`` without its rumble.

        Args:
            before, after: ``(channel, sample)`` neighbours, none at the ends of the recording.
            block: the samples.
            found: ``(channel,)`` 1 where the block has rumble, else 0.
            shares: ``found`` of the previous block, from which the filter is cross-faded.
        """
        output = block.copy()
        fade = np.linspace(0.0, 1.0, min(block.shape[1], round(_FADE_SECONDS * self._rate)))
        for index in np.flatnonzero((found > 0) | (shares > 0)):
            share = np.full(block.shape[1], found[index])
            share[: len(fade)] = shares[index] + fade * (found[index] - shares[index])
            sides = [side[index] if side.shape[1] else None for side in (before, after)]
            output[index] = block[index] - share * rumble_of(block[index], self._rate, *sides)
        return output
