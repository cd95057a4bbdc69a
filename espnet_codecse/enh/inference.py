"""Enhancing recordings of any length: batches of short ones, overlapping segments of long ones."""

from collections.abc import Callable, Iterator, Sequence
from time import perf_counter

import numpy as np
import torch

from espnet_codecse.codec import AbsCodec
from espnet_codecse.codec.chunking import group_size
from espnet_codecse.codec.streaming import device_of
from espnet_codecse.enh.abs_enhancer import AbsEnhancer, pad_batch
from espnet_codecse.enh.segments import in_segments

GROUP_FRAMES = 1500  # of a batch, that a processor separates together


class EmbeddingEnhancer(AbsEnhancer):
    """Encode, enhance, decode; without a separator it resynthesises, which gives the codec's ceiling.

    Args:
        codec: frozen codec.
        separator: ESPnet separator on its embeddings, or None.
        layers: what to decode: ``continuous`` embeddings, ``quantized`` ones, or both.
        segment_seconds: longest piece that is processed at once.
        overlap_seconds: overlap of neighbouring segments, over which they are cross-faded; by default 1, or 3 for
            several speakers, of whom none should be silent all the while: their order is told from it.
        restore_level: scale each estimate to its share of the mixture. A loss that is blind to the level, such as
            SI-SDR, lets it drift by more than 10 dB in training, and the output would clip.
        quantize_mixture: the separator sees the mixture as the quantiser leaves it.
        peak: what a recording's largest sample is brought to before the encoder; the estimates are brought back, so
            that no level is lost. None: recordings are encoded as they are.

    Raises:
        UserError: segments are no longer than their overlap.

    Attributes:
        num_codebooks: how many of the codec's first codebooks the layer ``quantized`` uses; None: all.
    """

    def __init__(
        self,
        codec: AbsCodec,
        separator: torch.nn.Module | None = None,
        layers: Sequence[str] = ("continuous",),
        segment_seconds: float = 30.0,
        overlap_seconds: float | None = None,
        restore_level: bool = False,
        quantize_mixture: bool = False,
        peak: float | None = None,
    ):
        num_spk = 1 if separator is None else separator.num_spk
        if overlap_seconds is None:
            overlap_seconds = 1.0 if num_spk == 1 else 3.0
        super().__init__(
            codec.sample_rate,
            layers,
            [f"spk{index + 1}" for index in range(num_spk)],
            codec.num_frames(round(segment_seconds * codec.sample_rate)) * codec.hop,
            codec.num_frames(round(overlap_seconds * codec.sample_rate)) * codec.hop,
        )
        self.codec, self.separator, self.network = codec, separator, separator
        self.restore_level, self.quantize_mixture, self.peak = restore_level, quantize_mixture, peak
        self.num_codebooks: int | None = None

    @torch.no_grad()
    def enhance_batch(self, speech: Sequence[np.ndarray]) -> list[dict[str, np.ndarray]]:
        """See :meth:`AbsEnhancer.enhance_batch`."""
        device = device_of(self.codec)
        batch, lengths = pad_batch(speech)
        gains = np.ones((len(batch), 1), np.float32)
        if self.peak is not None:
            gains = self.peak / batch.abs().amax(1, keepdim=True).numpy().clip(min=1e-4)
        scaled = batch * torch.from_numpy(gains)
        embedding, frame_lengths = self.codec.encode(scaled.to(device), lengths.to(device))
        estimates = self.separate(embedding, frame_lengths)
        decoded = {
            layer: self._decode(estimates, frame_lengths, batch.shape[1], layer) / gains for layer in self.layers
        }
        if self.restore_level:
            decoded = {layer: _at_level_of(batch.numpy(), waveforms) for layer, waveforms in decoded.items()}
        # Digital silence stays what it is, whatever a network makes of it.
        sounds = batch.ne(0).any(1).numpy().astype(np.float32)[None, :, None]
        return [
            {layer: (waveforms * sounds)[:, index, :length] for layer, waveforms in decoded.items()}
            for index, length in enumerate(lengths.tolist())
        ]

    @torch.no_grad()
    def separate(self, embedding: torch.Tensor, frame_lengths: torch.Tensor) -> list[torch.Tensor]:
        """Return a speaker's estimate each for ``embedding``, both ``(batch, frame, channel)``.

        What the separator takes is added to ``network_seconds``.
        """
        if self.separator is None:
            return [embedding]
        if self.quantize_mixture:
            embedding = self.codec.quantize(embedding, frame_lengths)[0]
        started = perf_counter()
        group = group_size(embedding, embedding.shape[1], GROUP_FRAMES)
        parts = [self._estimates(*part) for part in zip(embedding.split(group), frame_lengths.split(group))]
        estimates = [torch.cat(estimate) for estimate in zip(*parts)]
        if embedding.is_cuda:
            torch.cuda.synchronize(embedding.device)
        self.network_seconds += perf_counter() - started
        return estimates

    def _estimates(self, embedding: torch.Tensor, frame_lengths: torch.Tensor) -> list[torch.Tensor]:
        num_frames = int(frame_lengths.max())
        estimates = self.network(embedding[:, :num_frames], frame_lengths, {})[0]
        missing = embedding.shape[1] - num_frames
        return [torch.nn.functional.pad(estimate, (0, 0, 0, missing)) for estimate in estimates]

    def _decode(self, estimates, frame_lengths, num_samples: int, layer: str) -> np.ndarray:
        """Return ``(speaker, batch, sample)``."""
        if layer == "quantized":
            estimates = [self.codec.quantize(estimate, frame_lengths, self.num_codebooks)[0] for estimate in estimates]
        waveforms = [self.codec.decode(estimate, frame_lengths, num_samples) for estimate in estimates]
        return torch.stack(waveforms).float().cpu().numpy()

    def separate_long(self, read: Callable[[int, int], torch.Tensor], num_frames: int) -> Iterator[np.ndarray]:
        """Enhance an embedding segment by segment, cross-faded as embeddings: no waveform is made.

        Args:
            read: ``read(start, count)`` gives ``(count, channel)`` frames.
            num_frames: of the whole recording.

        Yields:
            ``(speaker, frame, channel)`` pieces that make up the whole, in order.
        """

        def process(start: int, count: int) -> dict[str, np.ndarray]:
            embedding = read(start, count)[None]
            estimates = self.separate(embedding, torch.tensor([count], device=embedding.device))
            return {"estimate": torch.cat(estimates).float().cpu().numpy()}

        hop = self.codec.hop
        for piece in in_segments(process, num_frames, self.segment_samples // hop, self.overlap_samples // hop):
            yield piece["estimate"]


def _at_level_of(mixture: np.ndarray, estimates: np.ndarray) -> np.ndarray:
    """Scale ``estimates (speaker, batch, sample)``; the rest of ``mixture (batch, sample)`` is orthogonal to them."""
    power = np.square(estimates).sum(-1, keepdims=True)
    return estimates * ((mixture * estimates).sum(-1, keepdims=True) / np.maximum(power, 1e-8))
