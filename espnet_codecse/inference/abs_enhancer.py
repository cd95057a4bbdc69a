"""The contracts of trained systems, which map recordings to estimates, in some systems through embeddings."""

import argparse
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import numpy as np
import torch

from espnet_codecse.codec.abs_codec import AbsCodec
from espnet_codecse.errors import UserError
from espnet_codecse.inference.batching import group_by_length
from espnet_codecse.inference.pauses import cut_frames_in_pause, cut_in_pause, divide
from espnet_codecse.inference.segments import in_segments, segment_bounds
from espnet_codecse.inference.without_rumble import WithoutRumble
from espnet_codecse.level import Level, level_of, measure_levels
from espnet_codecse.rumble import remove_rumble

ReadSamples = Callable[[int, int], np.ndarray]
ReadPowers = Callable[[int, int], np.ndarray]
Waveforms = Sequence[np.ndarray]
Levels = Sequence[Level] | None
Segments = Iterator[tuple[int, int, bool]]  # see segment_bounds
Outputs = list[dict[str, np.ndarray]]  # per recording {layer: (output, sample)}


@dataclass(frozen=True)
class RunSettings:
    """Settings of a model at inference.

    Attributes:
        device: torch device.
        dtype: data type of the network; inputs and outputs stay float32.
        segment_seconds: longest segment that is processed at once.
        layers: layers to decode, if the system has several.
        options: values of the system's own options.
    """

    device: str = "cpu"
    dtype: torch.dtype = torch.float32
    segment_seconds: float = 30.0
    layers: Sequence[str] = ()
    options: Mapping[str, Any] = field(default_factory=dict)


class Stream(Protocol):
    """Enhances one stream of samples; see :class:`espnet_codecse.causal.streaming.StreamingEnhancer`."""

    hop: int
    latency_samples: int
    num_not_finite: int

    def process(self, samples: np.ndarray) -> np.ndarray:
        """Take the next samples ``(sample,)`` and return those that are final."""

    def flush(self) -> np.ndarray:
        """Return the remaining samples."""

    def reset(self) -> None:
        """Start a new recording."""


class AbsEnhancer(ABC):
    """A system ready to enhance.

    Args:
        sample_rate: sample rate of inputs and outputs, Hz.
        layers: names of the decodings of each recording, such as ``continuous``; ``waveform`` if there is only one.
        output_names: names of the outputs of a layer: the speakers, ``spk1`` ..., then others such as ``noise1``.
        segment_samples: longest segment that is processed at once.
        overlap_samples: overlap of neighbouring segments, over which they are cross-faded.

    Raises:
        UserError: segments are not longer than their overlap.

    Attributes:
        OPTIONS: the system's options at inference, and their types.
        needs_reference: whether ``enhance_batch`` requires the clean speech (oracles of a study).
        needs_level: whether the system normalises the level of whole recordings; ``enhance_batch`` must then be given
            the level of the recording with each of its segments.
        divides: whether pauses are enhanced separately, and rumble is removed. False for a causal network, which
            carries its state through pauses, and for a codec alone.
        restore_level: whether outputs are scaled to their share of the mixture.
        num_spk: number of outputs that are speakers.
        network: the module whose parameters count as the system's size; it has none if the codec works alone.
        network_seconds: time spent in the network so far.
    """

    OPTIONS: ClassVar[Mapping[str, type]] = {}
    needs_reference = False
    needs_level = False
    divides = True
    restore_level = False
    network: torch.nn.Module

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

    @classmethod
    def from_model(cls, model: torch.nn.Module, training: argparse.Namespace, run: "RunSettings") -> "AbsEnhancer":
        """Build the enhancer of a trained model.

        Args:
            model: as :func:`espnet_codecse.task.loading.load_trained_model` returns it.
            training: the options of its training.
            run: settings at inference.

        Raises:
            UserError: an unknown option, a value of the wrong type, or one that the system refuses.
        """
        options = {}
        for name, value in run.options.items():
            if not cls.OPTIONS:
                raise UserError(f"--model_option {name}: this model has no options")
            if name not in cls.OPTIONS:
                raise UserError(f"{name}: unknown option of this system; known: {', '.join(cls.OPTIONS)}")
            try:
                options[name] = cls.OPTIONS[name](value)
            except (TypeError, ValueError):
                raise UserError(f"{name} {value}: not a number") from None
        return cls._from_model(model, training, run, **options)

    @classmethod
    @abstractmethod
    def _from_model(cls, model: Any, training: argparse.Namespace, run: "RunSettings", **options: Any) -> "AbsEnhancer":
        """Build the enhancer; ``options`` are the checked options of ``run``. See :meth:`from_model`."""

    def enhance_batch(self, speech: Waveforms, references: Waveforms | None = None, levels: Levels = None) -> Outputs:
        """Enhance several recordings at once; each result is the same as if it were processed alone.

        Rumble below 20 Hz is removed first. Long pauses are enhanced separately from speech; see
        :mod:`espnet_codecse.inference.pauses`. Digital silence stays silent.

        Args:
            speech: each ``(sample,)`` at ``sample_rate``.
            references: the clean speech, if the system needs it; recordings are then not divided.
            levels: level of the whole recording for each segment in ``speech``; None: these are whole recordings.

        Returns:
            For each recording ``{layer: (output, sample) float32}``, as long as the recording.
        """
        divides = self.divides and references is None
        if divides:
            speech = [remove_rumble(samples, self.sample_rate) if np.any(samples) else samples for samples in speech]
        if levels is None and self.needs_level:
            levels = [level_of(samples, self.sample_rate) for samples in speech]
        if not divides:
            return self._enhance_batch(speech, references, levels)
        divisions = [divide(samples, self.sample_rate) if np.any(samples) else None for samples in speech]
        # Parts are named by their recording and whether they are the whole of it, for its pauses.
        parts: dict[tuple[int, bool], np.ndarray] = {}
        for index, (samples, division) in enumerate(zip(speech, divisions)):
            if division is None:
                parts[index, False] = samples
            else:
                parts[index, False] = samples[division.active]
                if np.any(samples[division.quiet]):
                    parts[index, True] = samples
        outputs = self._enhance_parts({key: part for key, part in parts.items() if np.any(part)}, levels)
        results = []
        for index, (samples, division) in enumerate(zip(speech, divisions)):
            active, whole = outputs.get((index, False)), outputs.get((index, True))
            if active is None:
                results.append({layer: self._silence(len(samples)) for layer in self.layers})
            elif division is None:
                results.append(active)
            else:
                results.append({
                    layer: division.join(active[layer], None if whole is None else whole[layer]) for layer in active
                })  # fmt: skip
        return results

    def _enhance_parts(self, parts: Mapping[tuple[int, bool], np.ndarray], levels: Levels) -> dict[Any, Any]:
        """Return the output of each part, in batches that take no more memory than undivided recordings would."""
        lengths = {key: len(part) for key, part in parts.items()}
        order = sorted(parts, key=lambda key: -lengths[key])
        budget = max(lengths.values(), default=0) * len({index for index, _ in parts})
        outputs: dict[Any, Any] = {}
        for group in group_by_length(order, lengths, budget, float("inf")):
            given = None if levels is None else [levels[index] for index, _ in group]
            outputs.update(zip(group, self._enhance_batch([parts[key] for key in group], None, given)))
        return outputs

    def _silence(self, num_samples: int) -> np.ndarray:
        """Return the outputs of one layer for digital silence, ``(output, num_samples)``."""
        return np.zeros((len(self.output_names), num_samples), np.float32)

    @abstractmethod
    def _enhance_batch(self, speech: Waveforms, references: Waveforms | None, levels: Levels) -> Outputs:
        """Enhance recordings that are not all zero; see :meth:`enhance_batch`."""

    def enhance_long(
        self, read: ReadSamples, num_samples: int, level: Level | None = None, segments: Segments | None = None
    ) -> Iterator[dict[str, np.ndarray]]:
        """Enhance a recording segment by segment, in memory bounded by the segment.

        Args:
            read: ``read(start, count)`` returns ``(count,)`` samples.
            num_samples: samples of the whole recording.
            level: level of the whole recording, if the system needs it. If it is None, a recording of several segments
                is read twice, so a recording that can only be read forwards needs its level here.
            segments: the result of :meth:`segments`, the same for all channels of a recording; None: of this channel.

        Yields:
            Consecutive pieces ``{layer: (output, sample)}`` of the whole output.
        """
        if self.needs_level and level is None and not self.fits_segment(num_samples):
            level = self.measure_levels(lambda start, count: read(start, count)[None], 1, num_samples)[0]
        levels = None if level is None else [level]
        return in_segments(
            lambda start, count: self.enhance_batch([read(start, count)], levels=levels)[0],
            self.segments(read, num_samples) if segments is None else segments,
            self.overlap_samples,
            reorder=self.num_spk > 1,
        )

    def measure_levels(self, read: ReadSamples, num_channels: int, num_samples: int) -> list[Level]:
        """Return the level of each channel of a recording, without the rumble that is removed from it.

        Args:
            read: ``read(start, count)`` returns ``(channel, count)`` samples; ``start`` never decreases.
            num_channels: channels of the recording.
            num_samples: samples of each channel.
        """
        if self.divides:
            read = WithoutRumble(read, num_samples, self.sample_rate, self.segment_samples).read
        return measure_levels(read, num_channels, num_samples, self.sample_rate)

    def segments(self, read: ReadSamples, num_samples: int) -> Segments:
        """Yield the segments of a recording; see :func:`segment_bounds`.

        Args:
            read: ``read(start, count)`` returns ``(count,)`` or ``(channel, count)`` samples.
            num_samples: samples of each channel.
        """
        cut = None
        # The order of several speakers is determined in the overlap, where they must speak.
        if self.divides and self.num_spk == 1:

            def cut(start: int, count: int) -> int:
                return cut_in_pause(read(start, count), self.sample_rate, self.overlap_samples)

        return segment_bounds(num_samples, self.segment_samples, self.overlap_samples, cut)

    def fits_segment(self, num_samples: int) -> bool:
        """Whether :meth:`enhance_long` processes a recording of ``num_samples`` samples at once."""
        return num_samples <= self.segment_samples + self.overlap_samples

    def stream(self) -> Stream:
        """Return a stream that runs the network frame by frame.

        Raises:
            UserError: the system is not causal.
        """
        raise UserError(
            "the model is not causal and cannot stream; train one with --system dpcrn, or with --system nac_se "
            "--variant encoder and a causal codec"
        )


class AbsEmbeddingEnhancer(AbsEnhancer):
    """A system that enhances the embeddings of a codec; it can also read and write codes.

    Attributes:
        codec: the frozen codec.
        num_codebooks: number of the codec's first codebooks that the layer ``quantized`` uses; None: all.
        separates: False if there is no model and the codec only resynthesises.
        enhances_codes: False if the codec's encoder enhances, so that codes come too late.
        predicts_codes: whether the separator predicts codes instead of embeddings.
    """

    codec: AbsCodec
    num_codebooks: int | None = None
    separates: bool
    enhances_codes = True
    predicts_codes = False

    @abstractmethod
    def input_gain(self, level: Level) -> float:
        """Return the factor by which recordings of ``level`` are multiplied before encoding."""

    @abstractmethod
    def separate_long(
        self,
        read: Callable[[int, int], torch.Tensor],
        num_frames: int,
        read_powers: ReadPowers | None = None,
        segments: Segments | None = None,
    ) -> Iterator[np.ndarray]:
        """Enhance an embedding segment by segment, without computing a waveform.

        As in :meth:`enhance_batch`, long pauses are enhanced separately from speech, and digital silence is not
        enhanced.

        Args:
            read: ``read(start, count)`` returns ``(count, channel)`` frames.
            num_frames: frames of the whole recording.
            read_powers: ``read_powers(start, count)`` returns ``(count,)``: the mean square of the waveform in each
                frame, from which pauses are found; None: the recording is not divided.
            segments: the result of :meth:`frame_segments`, the same for all channels of a recording; None: of this
                channel.

        Yields:
            Consecutive pieces ``(speaker, frame, channel)`` of the whole output.
        """

    def frame_segments(self, num_frames: int, read_powers: ReadPowers | None) -> Segments:
        """Yield the segments of an embedding; see :func:`segment_bounds`.

        Args:
            num_frames: frames of the whole recording.
            read_powers: returns ``(count,)`` or ``(channel, count)``; see :meth:`separate_long`.
        """
        hop, cut = self.codec.hop, None
        segment, overlap = self.segment_samples // hop, self.overlap_samples // hop
        if self.divides and self.num_spk == 1 and read_powers is not None:

            def cut(start: int, count: int) -> int:
                return cut_frames_in_pause(read_powers(start, count), hop / self.sample_rate, overlap)

        return segment_bounds(num_frames, segment, overlap, cut)


def with_finite(samples: np.ndarray) -> tuple[np.ndarray, int]:
    """Return ``samples (sample,)`` as float32 with zeros for NaN and infinity, and how many there were.

    In a stream, they would stay in the state of the network until its end.
    """
    samples = np.ascontiguousarray(samples, np.float32)
    finite = np.isfinite(samples)
    if finite.all():
        return samples, 0
    return np.where(finite, samples, np.float32(0)), int((~finite).sum())


def pad_batch(speech: Sequence[np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return ``(batch, sample)`` float32 with zeros after each recording, and their lengths ``(batch,)`` in samples."""
    lengths = torch.tensor([len(samples) for samples in speech])
    batch = torch.zeros(len(speech), int(lengths.max()))
    for row, samples in zip(batch, speech):
        row[: len(samples)] = torch.from_numpy(np.ascontiguousarray(samples))
    return batch, lengths
