"""Enhancement of recordings of any length: short ones in batches, long ones in overlapping segments."""

import argparse
from collections.abc import Callable, Iterator, Sequence
from time import perf_counter
from typing import Any

import numpy as np
import torch

from espnet_codecse.codec import AbsCodec
from espnet_codecse.codec.chunking import group_size
from espnet_codecse.codec.streaming import device_of
from espnet_codecse.enh.trained import EncoderAndSeparator
from espnet_codecse.inference.abs_enhancer import (
    AbsEmbeddingEnhancer,
    Levels,
    Outputs,
    RunSettings,
    Waveforms,
    pad_batch,
)
from espnet_codecse.inference.segments import in_segments, segment_bounds
from espnet_codecse.level import LEAST_PEAK, Level

GROUP_FRAMES = 1500  # frames of a batch that a processor separates at once


class EmbeddingEnhancer(AbsEmbeddingEnhancer):
    """Encode, enhance and decode recordings. Without a separator, it resynthesises them: the codec's upper bound.

    Args:
        codec: frozen codec.
        separator: ESPnet separator on its embeddings, or None.
        layers: layers to decode: ``continuous`` embeddings, ``quantized`` embeddings, or both.
        segment_seconds: longest segment that is processed at once.
        overlap_seconds: overlap over which neighbouring segments are cross-faded. Default: 1, or 3 for several
            speakers, because their order is determined in the overlap, where each of them should speak.
        restore_level: scale each estimate to its share of the mixture. With a scale-invariant loss such as SI-SDR, the
            level can drift by more than 10 dB in training, and the output would clip.
        quantize_mixture: quantise the mixture's embedding before it enters the separator.
        peak: scale each recording to this peak before encoding, and scale the estimates back to the recording's level.
            None: encode recordings without scaling.

    Raises:
        UserError: the segments are not longer than their overlap.
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
        self.codec, self.separator = codec, separator
        self.network = torch.nn.Identity() if separator is None else separator
        self.restore_level, self.quantize_mixture, self.peak = restore_level, quantize_mixture, peak
        self.separates, self.needs_level = separator is not None, peak is not None
        self.divides = self.separates

    @classmethod
    def _from_model(
        cls, model: EncoderAndSeparator, training: argparse.Namespace, run: RunSettings, **options: Any
    ) -> "EmbeddingEnhancer":
        separator = model.separator
        if run.dtype != torch.float32:
            separator = AutocastSeparator(separator, run.dtype)
        # These losses let the level drift, so that the mixture's level has to be restored.
        blind_to_level = all(item["name"] in ("si_snr", "ci_sdr") for item in training.criterions)
        handling = {key: value for key, value in training.model_conf.items() if key in ("quantize_mixture", "peak")}
        codec = model.encoder.codec(run.device)
        return cls(codec, separator, run.layers, run.segment_seconds, restore_level=blind_to_level, **handling)

    def input_gain(self, level: Level) -> float:
        """See :meth:`AbsEmbeddingEnhancer.input_gain`."""
        return 1.0 if self.peak is None else self.peak / max(level.peak, LEAST_PEAK)

    @torch.no_grad()
    def _enhance_batch(self, speech: Waveforms, references: Waveforms | None, levels: Levels) -> Outputs:
        """See :meth:`AbsEnhancer.enhance_batch`."""
        device = device_of(self.codec)
        batch, lengths = pad_batch(speech)
        gains = np.ones((len(speech), 1), np.float32)
        if levels is not None:
            gains[:, 0] = [self.input_gain(level) for level in levels]
        scaled = batch * torch.from_numpy(gains)
        embedding, frame_lengths = self.codec.encode(scaled.to(device), lengths.to(device))
        estimates = self.separate(embedding, frame_lengths)
        decoded = {
            layer: self._decode(estimates, frame_lengths, batch.shape[1], layer) / gains for layer in self.layers
        }
        if self.restore_level:
            decoded = {layer: _at_level_of(batch.numpy(), waveforms) for layer, waveforms in decoded.items()}
        return [
            {layer: waveforms[:, index, :length] for layer, waveforms in decoded.items()}
            for index, length in enumerate(lengths.tolist())
        ]

    @torch.no_grad()
    def separate(self, embedding: torch.Tensor, frame_lengths: torch.Tensor) -> list[torch.Tensor]:
        """Return one estimate per speaker; ``embedding`` and estimates are ``(batch, frame, channel)``.

        The separator's run time is added to ``network_seconds``.
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
        """Enhance an embedding segment by segment, and cross-fade the segments without decoding them.

        Args:
            read: ``read(start, count)`` returns ``(count, channel)`` frames.
            num_frames: number of frames of the whole recording.

        Yields:
            Consecutive ``(speaker, frame, channel)`` pieces of the whole output.
        """

        def process(start: int, count: int) -> dict[str, np.ndarray]:
            embedding = read(start, count)[None]
            estimates = self.separate(embedding, torch.tensor([count], device=embedding.device))
            return {"estimate": torch.cat(estimates).float().cpu().numpy()}

        hop = self.codec.hop
        segment, overlap = self.segment_samples // hop, self.overlap_samples // hop
        for piece in in_segments(process, segment_bounds(num_frames, segment, overlap), overlap):
            yield piece["estimate"]


def _at_level_of(mixture: np.ndarray, estimates: np.ndarray) -> np.ndarray:
    """Project ``mixture (batch, sample)`` onto each of ``estimates (speaker, batch, sample)``."""
    power = np.square(estimates).sum(-1, keepdims=True)
    return estimates * ((mixture * estimates).sum(-1, keepdims=True) / np.maximum(power, 1e-8))


class AutocastSeparator(torch.nn.Module):
    """Run a separator under autocast; its inputs and outputs stay float32.

    Args:
        separator: an ESPnet separator.
        dtype: type of the matrix products, such as ``torch.bfloat16``.
    """

    def __init__(self, separator: torch.nn.Module, dtype: torch.dtype):
        super().__init__()
        self.separator, self.dtype = separator, dtype

    @property
    def num_spk(self) -> int:
        """Number of estimates."""
        return self.separator.num_spk

    def forward(
        self, input: torch.Tensor, ilens: torch.Tensor, additional: dict | None = None
    ) -> tuple[list[torch.Tensor], torch.Tensor, dict[str, torch.Tensor]]:
        """Return ``(list of estimates, lengths, others)`` of the separator for ``input (batch, frame, channel)``."""
        with torch.autocast(input.device.type, self.dtype):
            estimates, ilens, others = self.separator(input, ilens, additional)
        return [estimate.float() for estimate in estimates], ilens, others
