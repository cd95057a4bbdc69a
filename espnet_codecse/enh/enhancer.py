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
from espnet_codecse.enh.separator.identity import IdentitySeparator
from espnet_codecse.enh.share import by_power, by_projection
from espnet_codecse.enh.streaming import CodecStream
from espnet_codecse.enh.trained import EncoderAndSeparator
from espnet_codecse.inference.abs_enhancer import (
    AbsEmbeddingEnhancer,
    Levels,
    Outputs,
    ReadPowers,
    RunSettings,
    Segments,
    Stream,
    Waveforms,
    pad_batch,
)
from espnet_codecse.inference.pauses import frame_weights
from espnet_codecse.inference.segments import in_segments
from espnet_codecse.level import LEAST_PEAK, Level

# These losses let the level drift, so that the mixture's level has to be restored.
BLIND_TO_LEVEL = ("si_snr", "ci_sdr")
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
        reference_peak: peak of each training reference. Estimates then have this peak instead of a level, so each is
            scaled to its share of the mixture. None: references kept their level in the mixture.

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
        reference_peak: float | None = None,
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
        # What SI-SDR has trained follows the waveform; other losses on embeddings leave its phase to the codec.
        self._restore = by_projection if restore_level else by_power if reference_peak is not None else None
        self.restore_level = self._restore is not None
        self.quantize_mixture, self.peak = quantize_mixture, peak
        self.separates, self.needs_level = separator is not None, peak is not None
        # An encoder sees a bounded neighbourhood, so that pauses do not affect speech.
        self.enhances_codes = not isinstance(separator, IdentitySeparator)
        self.predicts_codes = bool(getattr(separator, "predicted_codebooks", 0))
        self.divides = self.separates and self.enhances_codes

    @classmethod
    def _from_model(
        cls, model: EncoderAndSeparator, training: argparse.Namespace, run: RunSettings, **options: Any
    ) -> "EmbeddingEnhancer":
        separator = model.separator
        if run.dtype != torch.float32 and not isinstance(separator, IdentitySeparator):
            separator = AutocastSeparator(separator, run.dtype)
        blind_to_level = all(item["name"] in BLIND_TO_LEVEL for item in training.criterions)
        names = ("quantize_mixture", "peak", "reference_peak")
        handling = {key: value for key, value in training.model_conf.items() if key in names}
        codec = model.encoder.trained_codec(run.device, "float32" if run.dtype == torch.float32 else "auto")
        enhancer = cls(codec, separator, run.layers, run.segment_seconds, restore_level=blind_to_level, **handling)
        if not enhancer.enhances_codes:
            enhancer.network = model.encoder  # its weights are those of the model
        return enhancer

    def input_gain(self, level: Level) -> float:
        """See :meth:`AbsEmbeddingEnhancer.input_gain`."""
        return 1.0 if self.peak is None else self.peak / max(level.peak, LEAST_PEAK)

    def stream(self) -> Stream:
        """Return a stream that runs encoder and decoder frame by frame.

        Raises:
            UserError: a separator enhances, or the codec is not causal.
        """
        if self.enhances_codes:
            return super().stream()
        return CodecStream(self.codec, self.layers[0] == "quantized", self.num_codebooks)

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
        if self._restore is not None:
            decoded = {layer: self._restore(batch.numpy(), waveforms) for layer, waveforms in decoded.items()}
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
        assert self.separator is not None
        estimates = self.separator(embedding[:, :num_frames], frame_lengths, {})[0]
        if self.predicts_codes:
            estimates = [self.codec.dequantize(self._chosen(logits)) for logits in estimates]
        missing = embedding.shape[1] - num_frames
        return [torch.nn.functional.pad(estimate, (0, 0, 0, missing)) for estimate in estimates]

    def _chosen(self, logits: torch.Tensor) -> torch.Tensor:
        """Return the most likely codes ``(batch, codebook, frame)`` of ``logits (batch, frame, codebook, entry)``."""
        return logits[:, :, : self.num_codebooks].argmax(3).transpose(1, 2)

    def _decode(self, estimates, frame_lengths, num_samples: int, layer: str) -> np.ndarray:
        """Return ``(speaker, batch, sample)``."""
        if layer == "quantized" and not self.predicts_codes:
            estimates = [self.codec.quantize(estimate, frame_lengths, self.num_codebooks)[0] for estimate in estimates]
        waveforms = [self.codec.decode(estimate, frame_lengths, num_samples) for estimate in estimates]
        return torch.stack(waveforms).float().cpu().numpy()

    def separate_long(
        self,
        read: Callable[[int, int], torch.Tensor],
        num_frames: int,
        read_powers: ReadPowers | None = None,
        segments: Segments | None = None,
    ) -> Iterator[np.ndarray]:
        """See :meth:`AbsEmbeddingEnhancer.separate_long`; segments are cross-faded without decoding them."""

        def process(start: int, count: int) -> dict[str, np.ndarray]:
            embedding = read(start, count)
            if read_powers is None or not self.divides:
                return {"estimate": self._separate_one(embedding)}
            return {"estimate": self._separate_divided(embedding, read_powers(start, count))}

        if segments is None:
            segments = self.frame_segments(num_frames, read_powers)
        for piece in in_segments(process, segments, self.overlap_samples // self.codec.hop):
            yield piece["estimate"]

    def _separate_divided(self, embedding: torch.Tensor, powers: np.ndarray) -> np.ndarray:
        """Return :meth:`_separate_one` of the active frames, with its pauses as in the undivided embedding.

        Args:
            embedding: ``(frame, channel)``.
            powers: ``(frame,)`` mean square of the waveform.
        """
        weight = frame_weights(powers, self.codec.hop / self.sample_rate) * bool(np.any(powers))
        if weight.all():
            return self._separate_one(embedding)
        # Digital silence is coded as it is: nothing has to be removed from it.
        output = np.repeat(embedding.float().cpu().numpy()[None], self.num_spk, axis=0)
        noisy = (weight < 1) & (powers > 0)
        if noisy.any():
            output[:, noisy] = self._separate_one(embedding)[:, noisy]
        active = weight > 0
        if active.any():
            share = weight[active, None]
            estimate = self._separate_one(embedding[torch.from_numpy(active).to(embedding.device)])
            output[:, active] = share * estimate + (1 - share) * output[:, active]
        return output

    def _separate_one(self, embedding: torch.Tensor) -> np.ndarray:
        """Return the estimates ``(speaker, frame, channel)`` of one ``embedding (frame, channel)``."""
        estimates = self.separate(embedding[None], torch.tensor([len(embedding)], device=embedding.device))
        return torch.cat(estimates).float().cpu().numpy()


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

    @property
    def predicted_codebooks(self) -> int:
        """Number of codebooks that are predicted; 0 if estimates are embeddings."""
        return getattr(self.separator, "predicted_codebooks", 0)

    def forward(
        self, input: torch.Tensor, ilens: torch.Tensor, additional: dict | None = None
    ) -> tuple[list[torch.Tensor], torch.Tensor, dict[str, torch.Tensor]]:
        """Return ``(list of estimates, lengths, others)`` of the separator for ``input (batch, frame, channel)``."""
        with torch.autocast(input.device.type, self.dtype):
            estimates, ilens, others = self.separator(input, ilens, additional)
        return [estimate.float() for estimate in estimates], ilens, others
