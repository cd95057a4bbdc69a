"""What every trained system looks like from outside: recordings in, estimates out."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import ClassVar

import numpy as np
import torch

from espnet_codecse.enh.segments import in_segments
from espnet_codecse.errors import UserError

ReadSamples = Callable[[int, int], np.ndarray]


class AbsEnhancer(ABC):
    """A system ready to enhance.

    Args:
        sample_rate: of all that goes in and out, Hz.
        layers: names of the decodings that each recording gets, such as ``continuous``; ``waveform`` for systems with
            one.
        output_names: of the outputs of a layer: the speakers, ``spk1`` ..., then others such as ``noise1``.
        segment_samples: longest piece that is processed at once.
        overlap_samples: of neighbouring segments, over which they are cross-faded.

    Raises:
        UserError: segments are no longer than their overlap.

    Attributes:
        OPTIONS: how a model is run, where it leaves a choice: names, and the type of each number.
        num_spk: how many of the outputs are speakers.
        restore_level: whether outputs are scaled to their share of the mixture.
        network: the module whose parameters are the system's size; None where there is none.
        network_seconds: spent in it so far.
    """

    OPTIONS: ClassVar[Mapping[str, type]] = {}
    network: torch.nn.Module = None
    restore_level = False

    def __init__(
        self,
        sample_rate: int,
        layers: Sequence[str],
        output_names: Sequence[str],
        segment_samples: int,
        overlap_samples: int,
    ):
        if segment_samples <= overlap_samples:
            segment, overlap = (number / sample_rate for number in (segment_samples, overlap_samples))
            raise UserError(f"--segment_seconds {segment:g}: segments overlap by {overlap:g} s; give a larger value")
        self.sample_rate, self.layers, self.output_names = sample_rate, tuple(layers), tuple(output_names)
        self.segment_samples, self.overlap_samples = segment_samples, overlap_samples
        self.num_spk = sum(name.startswith("spk") for name in self.output_names)
        self.network_seconds = 0.0

    @abstractmethod
    def enhance_batch(self, speech: Sequence[np.ndarray]) -> list[dict[str, np.ndarray]]:
        """Enhance several recordings at once; each comes out as it would alone.

        Args:
            speech: each ``(sample,)`` at ``sample_rate``.

        Returns:
            For each recording ``{layer: (output, sample) float32}`` of the recording's length.
        """

    def enhance_long(self, read: ReadSamples, num_samples: int) -> Iterator[dict[str, np.ndarray]]:
        """Enhance a recording segment by segment in memory bounded by the segment.

        Args:
            read: ``read(start, count)`` gives ``(count,)`` samples.
            num_samples: of the whole recording.

        Yields:
            ``{layer: (output, sample)}`` pieces that make up the whole, in order.
        """
        return in_segments(
            lambda start, count: self.enhance_batch([read(start, count)])[0],
            num_samples,
            self.segment_samples,
            self.overlap_samples,
            reorder=self.num_spk > 1,
        )


def pad_batch(speech: Sequence[np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return ``(batch, sample)`` float32 with zeros after each recording, and their lengths ``(batch,)`` in samples."""
    lengths = torch.tensor([len(samples) for samples in speech])
    batch = torch.zeros(len(speech), int(lengths.max()))
    for row, samples in zip(batch, speech):
        row[: len(samples)] = torch.from_numpy(np.ascontiguousarray(samples))
    return batch, lengths
