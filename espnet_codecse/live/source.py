"""Where the samples of a stream come from and go to."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass
class Source:
    """Samples to enhance.

    Attributes:
        sample_rate: Hz.
        num_channels: number of channels.
        read: ``read(count)`` returns at most ``count`` further samples ``(sample, channel)`` float32; none at the end.
        num_glitches: how often the device lost samples so far.
    """

    sample_rate: int
    num_channels: int
    read: Callable[[int], np.ndarray]
    num_glitches: int = 0


@dataclass
class Sink:
    """Takes enhanced samples.

    Attributes:
        sample_rate: Hz.
        write: ``write(samples)`` takes ``(sample, channel)`` float32.
        num_glitches: how often the device had no samples to play so far.
    """

    sample_rate: int
    write: Callable[[np.ndarray], None]
    num_glitches: int = 0
