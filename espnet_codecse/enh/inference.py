"""Enhancing recordings of any length: batches of short ones, overlapping segments of long ones."""

from itertools import permutations
from typing import Callable, Dict, Iterator, List, Optional, Sequence, Tuple

import numpy as np
import torch

from espnet_codecse.codec import AbsCodec
from espnet_codecse.errors import UserError

LAYERS = ("continuous", "quantized")
ReadSamples = Callable[[int, int], np.ndarray]


class EmbeddingEnhancer:
    """Encode, enhance, decode; without a separator it resynthesises, which gives the codec's ceiling.

    Args:
        codec: frozen codec.
        separator: ESPnet separator on its embeddings, or None.
        layers: what to decode: ``continuous`` embeddings, ``quantized`` ones, or both.
        segment_seconds: longest piece that is processed at once.
        overlap_seconds: overlap of neighbouring segments, over which they are cross-faded.
        restore_level: scale each estimate to its share of the mixture. A loss that is blind to the level, such as
            SI-SDR, lets it drift by more than 10 dB in training, and the output would clip.

    Raises:
        UserError: segments are no longer than their overlap.
    """

    def __init__(
        self,
        codec: AbsCodec,
        separator: Optional[torch.nn.Module] = None,
        layers: Sequence[str] = ("continuous",),
        segment_seconds: float = 30.0,
        overlap_seconds: float = 1.0,
        restore_level: bool = False,
    ):
        self.codec, self.separator, self.layers = codec, separator, tuple(layers)
        self.restore_level = restore_level
        self.num_spk = 1 if separator is None else separator.num_spk
        self.segment_samples = codec.num_frames(round(segment_seconds * codec.sample_rate)) * codec.hop
        self.overlap_samples = codec.num_frames(round(overlap_seconds * codec.sample_rate)) * codec.hop
        if self.segment_samples <= self.overlap_samples:
            raise UserError(
                f"--segment_seconds {segment_seconds}: segments overlap by {overlap_seconds} s; give a larger value"
            )

    @torch.no_grad()
    def enhance_batch(self, speech: Sequence[np.ndarray]) -> List[Dict[str, np.ndarray]]:
        """Enhance several recordings at once.

        Args:
            speech: each ``(sample,)`` at the codec's rate.

        Returns:
            For each recording ``{layer: (speaker, sample) float32}`` of the recording's length.
        """
        device = next(iter(self.codec.parameters())).device
        lengths = torch.tensor([len(samples) for samples in speech])
        batch = torch.zeros(len(speech), int(lengths.max()))
        for row, samples in zip(batch, speech):
            row[: len(samples)] = torch.from_numpy(np.ascontiguousarray(samples))
        embedding, frame_lengths = self.codec.encode(batch.to(device), lengths.to(device))
        estimates = [embedding]
        if self.separator is not None:
            estimates = self.separator(embedding, frame_lengths, {})[0]
        decoded = {layer: self._decode(estimates, frame_lengths, batch.shape[1], layer) for layer in self.layers}
        if self.restore_level:
            decoded = {layer: _at_level_of(batch.numpy(), waveforms) for layer, waveforms in decoded.items()}
        return [
            {layer: waveforms[:, index, :length] for layer, waveforms in decoded.items()}
            for index, length in enumerate(lengths.tolist())
        ]

    def _decode(self, estimates, frame_lengths, num_samples: int, layer: str) -> np.ndarray:
        """Return ``(speaker, batch, sample)``."""
        if layer == "quantized":
            estimates = [self.codec.quantize(estimate)[0] for estimate in estimates]
        waveforms = [self.codec.decode(estimate, frame_lengths, num_samples) for estimate in estimates]
        return torch.stack(waveforms).float().cpu().numpy()

    def enhance_long(self, read: ReadSamples, num_samples: int) -> Iterator[Dict[str, np.ndarray]]:
        """Enhance a recording segment by segment in memory bounded by the segment.

        Args:
            read: ``read(start, count)`` gives ``(count,)`` samples.
            num_samples: of the whole recording.

        Yields:
            ``{layer: (speaker, sample)}`` pieces that make up the whole, in order.
        """
        tail: Dict[str, np.ndarray] = {}
        for start, count in self._segments(num_samples):
            piece = self.enhance_batch([read(start, count)])[0]
            last = start + count >= num_samples
            output = {}
            for layer, waveforms in piece.items():
                if layer in tail:
                    waveforms = self._join(tail[layer], waveforms)
                keep = waveforms.shape[1] if last else waveforms.shape[1] - self.overlap_samples
                output[layer], tail[layer] = waveforms[:, :keep], waveforms[:, keep:]
            yield output

    def _segments(self, num_samples: int) -> Iterator[Tuple[int, int]]:
        """Yield ``(first sample, number of samples)``; only the last segment is shorter, never than the overlap."""
        step = self.segment_samples - self.overlap_samples
        start = 0
        while True:
            count = min(self.segment_samples, num_samples - start)
            # A rest no longer than the overlap is taken along: it would be all cross-fade.
            if num_samples - start <= self.segment_samples + self.overlap_samples:
                count = num_samples - start
            yield start, count
            if start + count >= num_samples:
                return
            start += step

    @staticmethod
    def _join(tail: np.ndarray, waveforms: np.ndarray) -> np.ndarray:
        """Order the speakers of ``(speaker, sample)`` as in ``tail`` and fade from it over its length."""
        overlap = tail.shape[1]
        head = waveforms[:, :overlap]
        best = max(
            permutations(range(len(tail))),
            key=lambda order: sum(float(np.dot(tail[i], head[j])) for i, j in enumerate(order)),
        )
        waveforms = waveforms[list(best)].copy()
        fade = np.linspace(0.0, 1.0, overlap, dtype=np.float32)
        waveforms[:, :overlap] = tail * (1 - fade) + waveforms[:, :overlap] * fade
        return waveforms


def _at_level_of(mixture: np.ndarray, estimates: np.ndarray) -> np.ndarray:
    """Scale ``estimates (speaker, batch, sample)`` so that what is left of ``mixture (batch, sample)`` is orthogonal."""
    power = np.square(estimates).sum(-1, keepdims=True)
    return estimates * ((mixture * estimates).sum(-1, keepdims=True) / np.maximum(power, 1e-8))
