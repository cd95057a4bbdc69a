"""A causal model on every channel of a stream at any sample rate."""

from collections.abc import Sequence

import numpy as np

from espnet_codecse.audio import StreamingResampler
from espnet_codecse.inference.abs_enhancer import Stream, with_finite


class ChannelStreams:
    """Enhance each channel by a stream of its own, with resampling before and after.

    Args:
        streams: one for each channel, at ``sample_rate``.
        sample_rate: that of the streams, Hz.
        input_rate, output_rate: those of the samples that are given and returned, Hz.

    Attributes:
        num_channels: number of channels.
        num_not_finite: number of samples so far that were NaN or infinite. They are replaced by silence.
        latency_seconds: what must follow a sample before it is returned, in seconds: the streams' algorithmic latency,
            and the delay of the resamplers if there are any.
    """

    def __init__(self, streams: Sequence[Stream], sample_rate: int, input_rate: int, output_rate: int):
        self._streams, self._rates = streams, (input_rate, output_rate)
        self.num_channels = len(streams)
        self._before = StreamingResampler(input_rate, sample_rate, self.num_channels)
        self._after = StreamingResampler(sample_rate, output_rate, self.num_channels)
        self._num_in = self._num_out = self.num_not_finite = 0
        self.latency_seconds = streams[0].latency_samples / sample_rate
        self.latency_seconds += _delay(input_rate, sample_rate) + _delay(sample_rate, output_rate)

    def process(self, samples: np.ndarray) -> np.ndarray:
        """Take the next samples and return those that are final, ``(sample, channel)`` float32; there may be none.

        Args:
            samples: ``(sample, channel)`` of any length.
        """
        self._num_in += len(samples)
        samples, num_not_finite = with_finite(samples)
        self.num_not_finite += num_not_finite
        final = self._after.push(self._enhanced(self._before.push(samples)))
        self._num_out += len(final)
        return final

    def flush(self) -> np.ndarray:
        """Return the remaining samples, so that the output is as long as the input; the stream is over."""
        rest = self._enhanced(self._before.push(np.zeros((0, self.num_channels), np.float32), last=True))
        rest = np.concatenate([rest, np.stack([stream.flush() for stream in self._streams], axis=1)])
        num_left = round(self._num_in * self._rates[1] / self._rates[0]) - self._num_out
        final = self._after.push(rest, last=True)[:num_left]
        # Rounding in two resamplers may leave a sample too few.
        return np.pad(final, ((0, num_left - len(final)), (0, 0)))

    def _enhanced(self, samples: np.ndarray) -> np.ndarray:
        return np.stack([stream.process(samples[:, index]) for index, stream in enumerate(self._streams)], axis=1)


def _delay(rate: int, target_rate: int) -> float:
    """Return the longest time between a sample and its return by :class:`StreamingResampler`, in seconds."""
    resampler, block = StreamingResampler(rate, target_rate, 1), max(1, rate // 200)
    num_out, delays = 0, [0.0]
    for number in range(1, 101):
        num_out += len(resampler.push(np.zeros((block, 1), np.float32)))
        delays.append(number * block / rate - num_out / target_rate)
    return max(delays) if rate != target_rate else 0.0
