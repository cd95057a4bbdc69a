"""The Python interface to streams: blocks of samples in, enhanced samples out."""

from pathlib import Path

import numpy as np

from espnet_codecse.live.channels import ChannelStreams
from espnet_codecse.live.streams import SAMPLE_RATE, build_streams


class SpeechStream:
    """Enhance a stream frame by frame, with the state of a causal model kept between blocks.

    Attributes:
        fs: sample rate of the blocks, Hz.
        num_channels: channels of the blocks.
        hop: samples per frame at 16 kHz: blocks of as many are returned with the least delay.
        latency_seconds: what must follow a sample before it is returned.

    Examples:
        >>> stream = SpeechStream.from_pretrained("causal", fs=48000)
        >>> blocks = np.zeros((100, 480), np.float32)  # of any length; what is final comes back
        >>> enhanced = [stream.process(block) for block in blocks] + [stream.flush()]
        >>> sum(map(len, enhanced))
        48000
    """

    def __init__(self, streams, fs: int, num_channels: int):
        self._streams, self.fs, self.num_channels = streams, fs, num_channels
        self.hop: int = streams[0].hop
        self._begin()
        self.latency_seconds = self._channels.latency_seconds

    @classmethod
    def from_pretrained(
        cls,
        model_tag: Path | str,
        fs: int = SAMPLE_RATE,
        num_channels: int = 1,
        codec: str | None = None,
        num_codebooks: int | None = None,
    ) -> "SpeechStream":
        """Load a causal model by name.

        Args:
            model_tag: an ONNX graph of ``codecse export_onnx``, or any name that
                :meth:`espnet_codecse.SpeechEnhancer.from_pretrained` takes.
            fs: sample rate of the blocks, Hz; others than 16 kHz are resampled, which adds to the delay.
            num_channels: channels of the blocks; each is enhanced by itself.
            codec: folder of the model's codec, if it has moved.
            num_codebooks: quantise with the codec's first codebooks; None: decode the continuous embedding.

        Raises:
            UserError: the model does not exist or is not causal.
        """
        return cls(build_streams(str(model_tag), num_channels, codec, num_codebooks), fs, num_channels)

    def process(self, block: np.ndarray) -> np.ndarray:
        """Take the next samples and return those that are final; there may be none.

        NaN and infinite samples are replaced by silence.

        Args:
            block: ``(sample,)``, or ``(sample, channel)``, floating point in [-1, 1].

        Raises:
            ValueError: the block has another number of channels, or is integer.
        """
        block = np.asarray(block)
        if not np.issubdtype(block.dtype, np.floating):
            raise ValueError(f"the block is {block.dtype}; it must be floating point: divide int16 by 32768")
        channels = block[:, None] if block.ndim == 1 else block
        if channels.ndim != 2 or channels.shape[1] != self.num_channels:
            raise ValueError(f"the block has shape {block.shape}, but the stream has {self.num_channels} channel(s)")
        self._flat = block.ndim == 1
        return self._shaped(self._channels.process(channels.astype(np.float32, copy=False)))

    def flush(self) -> np.ndarray:
        """Return the remaining samples, so that the output is as long as the input, and start a new stream."""
        rest = self._shaped(self._channels.flush())
        self._begin()
        return rest

    def reset(self) -> None:
        """Start a new stream, without the remaining samples."""
        for stream in self._streams:
            stream.reset()
        self._begin()

    def _begin(self) -> None:
        self._channels = ChannelStreams(self._streams, SAMPLE_RATE, self.fs, self.fs)
        self._flat = self.num_channels == 1

    def _shaped(self, channels: np.ndarray) -> np.ndarray:
        return channels[:, 0] if self._flat else channels
