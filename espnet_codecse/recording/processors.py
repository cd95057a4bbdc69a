"""Processing of recordings: enhance waveforms, one by one or in batches; encode, decode and enhance codes."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import tee
from typing import Any, Generic, TypeVar

import numpy as np
import torch

from espnet_codecse.codec.bitstream import BitstreamReader, BitstreamWriter, Header
from espnet_codecse.codec.streaming import (
    ForwardBuffer,
    FramesOfCodes,
    FramesOfWaveform,
    Read,
    decode_stream,
    device_of,
)
from espnet_codecse.fileio import atomic_path
from espnet_codecse.high_band.load import has_filter
from espnet_codecse.inference.abs_enhancer import AbsEmbeddingEnhancer, AbsEnhancer, ReadPowers
from espnet_codecse.inference.without_rumble import WithoutRumble
from espnet_codecse.level import Level
from espnet_codecse.recording.activity import DecodedPowers, MeasuredWaveform
from espnet_codecse.recording.job import Job, Options, Outcome
from espnet_codecse.recording.reader import RecordingReader, reason_of
from espnet_codecse.recording.writer import RecordingWriter

PIECE = 1500  # frames per step if nothing else limits them
Enhancer = TypeVar("Enhancer", bound=AbsEnhancer)


def attempt(job: Job, function: Callable[[], Outcome]) -> Outcome:
    """Run ``function`` and turn an exception into a failed outcome."""
    try:
        return function()
    except Exception as error:  # broken recordings raise exceptions of many types
        return job.outcome(error=reason_of(error, job.recording))


def _outcome(job: Job, reader: RecordingReader, writer: RecordingWriter) -> Outcome:
    return job.outcome(
        num_limited=writer.num_limited, notices=() if reader.listener is None else reader.listener.notices
    )


def _channel(read: Callable[[int, int], Any], channel: int) -> Callable[[int, int], Any]:
    """Return a function that reads one channel with ``read``, which returns all channels."""
    return lambda start, count: read(start, count)[channel]


class Processor(Generic[Enhancer]):
    """Reads, enhances and writes recordings.

    Args:
        enhancer: the system.
        options: how to process recordings.
        count: called with the seconds of audio just processed.
    """

    def __init__(self, enhancer: Enhancer, options: Options, count: Callable[[float], None]):
        self.enhancer, self.options, self._count = enhancer, options, count
        self._full_band = options.full_band and options.source == "wave" and has_filter(enhancer)

    def _reader(self, job: Job, listen: bool = False) -> RecordingReader:
        return RecordingReader(job.recording, self.enhancer.sample_rate, self.options.mono, listen, self._full_band)

    def _writer(self, job: Job, rate: int, num_samples: int) -> RecordingWriter:
        assert job.form is not None  # set for waveform outputs
        return RecordingWriter(
            list(job.outputs),
            job.form,
            rate,
            job.num_channels,
            num_samples,
            self.enhancer.sample_rate,
            job.recording,
            self.options.mono,
            self.options.mix,
            job.residual,
            job.carried,
            self._full_band and rate > self.enhancer.sample_rate,
        )

    def _levels(self, job: Job) -> list[Level]:
        """Return the level of each channel; this reads the recording an additional time."""
        with self._reader(job) as reader:
            return self.enhancer.measure_levels(reader.read, reader.num_channels, reader.num_output)


class WaveformProcessor(Processor[AbsEnhancer]):
    """Enhances waveforms."""

    def enhance_together(self, jobs: Sequence[Job]) -> list[Outcome]:
        """Enhance recordings as one batch, with each channel as one item."""
        outcomes, readers, batch = {}, {}, {}
        for job in jobs:

            def read(job=job) -> Outcome:
                with self._reader(job, self.options.listen) as reader:
                    batch[job] = reader.read(0, reader.num_output)
                    readers[job] = reader
                return job.outcome()

            outcome = attempt(job, read)
            if outcome.error is not None:
                outcomes[job] = outcome
        for job, estimates in self._enhance(batch).items():

            def write(job=job, estimates=estimates) -> Outcome:
                if isinstance(estimates, Exception):
                    raise estimates
                reader = readers[job]
                with self._writer(job, reader.rate, reader.num_samples) as writer:
                    self._write(estimates, reader, writer)
                    writer.finish()
                    job.check_unchanged()
                return _outcome(job, reader, writer)

            outcomes[job] = attempt(job, write)
        return [outcomes[job] for job in jobs]

    def _enhance(self, batch: Mapping[Job, np.ndarray]) -> dict[Job, np.ndarray | Exception]:
        """Return the estimates ``(speaker, channel, sample)`` of each recording of a batch ``(channel, sample)``.

        A batch that fails, for example because memory runs out, is halved until the one recording is found that fails.
        """
        if not batch:
            return {}
        try:
            results = iter(self.enhancer.enhance_batch([channel for samples in batch.values() for channel in samples]))
            return {
                job: np.stack([self._speakers(next(results)) for _ in samples], axis=1)
                for job, samples in batch.items()
            }
        except Exception as error:
            if len(batch) == 1:
                return dict.fromkeys(batch, error)
        # Not in the handler: the exception holds the tensors of the whole batch.
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        items = list(batch.items())
        half = len(items) // 2
        return {**self._enhance(dict(items[:half])), **self._enhance(dict(items[half:]))}

    def enhance_alone(self, job: Job) -> Outcome:
        """Enhance one recording of any length, all channels in parallel; long ones are split into segments."""
        with (
            self._reader(job, self.options.listen) as reader,
            self._writer(job, reader.rate, reader.num_samples) as writer,
        ):
            levels: Sequence[Level | None] = [None] * reader.num_channels
            if self.enhancer.needs_level and not self.enhancer.fits_segment(reader.num_output):
                levels = self._levels(job)
            # Channels are written together, so their segments must end at the same place.
            segments = tee(self.enhancer.segments(reader.read, reader.num_output), reader.num_channels)
            channels = [
                self.enhancer.enhance_long(_channel(reader.read, channel), reader.num_output, level, bounds)
                for channel, (level, bounds) in enumerate(zip(levels, segments))
            ]
            for pieces in zip(*channels):
                estimates = np.stack([self._speakers(piece) for piece in pieces], axis=1)
                self._write(estimates, reader, writer)
                self._count(estimates.shape[-1] / self.enhancer.sample_rate)
            writer.finish()
            job.check_unchanged()
        return _outcome(job, reader, writer)

    @staticmethod
    def _write(estimates: np.ndarray, reader: RecordingReader, writer: RecordingWriter) -> None:
        writer.write(estimates)
        if reader.listener is not None:
            reader.listener.hear_output(estimates)

    def _speakers(self, estimates: dict[str, np.ndarray]) -> np.ndarray:
        """Return the speakers ``(speaker, sample)`` among an enhancer's outputs; some systems also return noise."""
        return estimates[self.enhancer.layers[0]][: self.enhancer.num_spk]


class EmbeddingProcessor(Processor[AbsEmbeddingEnhancer]):
    """Encodes, decodes and enhances codes; from codes to codes, a waveform is only computed to find pauses."""

    def encode(self, job: Job) -> Outcome:
        """Read a waveform and write codes."""
        with self._reader(job) as reader:
            header = self._header(reader)
            codec, num_samples = self.enhancer.codec, reader.num_output
            read, read_powers = reader.read, None
            if self.enhancer.divides:
                clean = WithoutRumble(read, num_samples, codec.sample_rate, self.enhancer.segment_samples)
                waveform = MeasuredWaveform(clean.read, num_samples, codec)
                read, read_powers = waveform.read, waveform.read_powers
            frames = FramesOfWaveform(codec, self._scaled(read, job), num_samples)
            return self._write_codes(job, header, self._separated(frames, header, read_powers))

    def _scaled(self, read: Read, job: Job) -> Read:
        """Return ``read`` with each channel at the level of the training, if the system needs it."""
        if not self.enhancer.needs_level:
            return read
        gains = np.array([[self.enhancer.input_gain(level)] for level in self._levels(job)], np.float32)
        return lambda start, count: read(start, count) * gains

    def process_codes(self, job: Job, stored: BitstreamReader) -> Outcome:
        """Read codes and write codes or a waveform."""
        stored.check_codec(self.enhancer.codec)
        header = replace(stored.header, num_codebooks=self.options.num_codebooks or stored.header.num_codebooks)
        codec = self.enhancer.codec
        frames = FramesOfCodes(codec, stored.read, header.num_frames)
        read_powers = DecodedPowers(codec, frames.read).read_powers if self.enhancer.divides else None
        pieces = self._separated(frames, header, read_powers)
        if self.options.target == "codes":
            return self._write_codes(job, header, pieces)
        return self._decode(job, header, pieces)

    def _header(self, reader: RecordingReader) -> Header:
        source = (reader.rate, reader.num_samples, reader.format, reader.subtype)
        return Header.of_codec(
            self.enhancer.codec, self.options.num_codebooks, reader.num_channels, reader.num_output, source
        )

    def _separated(
        self, frames: FramesOfCodes | FramesOfWaveform, header: Header, read_powers: ReadPowers | None
    ) -> Iterator[np.ndarray]:
        """Yield estimates ``(speaker, channel, frame, dim)``, piece by piece.

        Args:
            frames: embeddings of the recording.
            header: the recording's lengths.
            read_powers: returns ``(channel, count)``; see :meth:`AbsEmbeddingEnhancer.separate_long`.
        """
        if not self.enhancer.separates:
            for start in range(0, header.num_frames, PIECE):
                count = min(PIECE, header.num_frames - start)
                yield frames.read(start, count)[None].cpu().numpy()
            return
        # Channels are written together, so their segments must end at the same place.
        segments = tee(self.enhancer.frame_segments(header.num_frames, read_powers), header.num_channels)
        channels = [
            self.enhancer.separate_long(
                _channel(frames.read, channel),
                header.num_frames,
                None if read_powers is None else _channel(read_powers, channel),
                bounds,
            )
            for channel, bounds in enumerate(segments)
        ]
        for pieces in zip(*channels):
            yield np.stack(pieces, axis=1)

    def _write_codes(self, job: Job, header: Header, pieces: Iterator[np.ndarray]) -> Outcome:
        codec = self.enhancer.codec
        with ExitStack() as stack:
            writers = [
                stack.enter_context(BitstreamWriter(stack.enter_context(atomic_path(path)), header))
                for path in job.outputs
            ]
            for piece in pieces:
                for writer, estimate in zip(writers, piece):
                    for start in range(0, estimate.shape[1], PIECE):
                        part = torch.from_numpy(np.ascontiguousarray(estimate[:, start : start + PIECE]))
                        codes = codec.quantize(part.to(device_of(codec)), num_codebooks=header.num_codebooks)[1]
                        writer.write(codes.cpu().numpy())
                self._count(piece.shape[2] * header.hop / header.sample_rate)
            job.check_unchanged()
        return job.outcome()

    def _decode(self, job: Job, header: Header, pieces: Iterator[np.ndarray]) -> Outcome:
        codec, num_speakers = self.enhancer.codec, len(job.outputs)

        def next_piece() -> torch.Tensor | None:
            piece = next(pieces, None)
            if piece is None:
                return None
            return torch.from_numpy(piece.reshape(-1, *piece.shape[2:])).to(device_of(codec))

        buffer = ForwardBuffer(next_piece, axis=1)
        with self._writer(job, header.source_rate, header.source_num_samples) as writer:
            for speech in decode_stream(codec, buffer.read, header.num_frames, header.num_samples):
                writer.write(speech.reshape(num_speakers, header.num_channels, -1))
                self._count(speech.shape[-1] / header.sample_rate)
            writer.finish()
            job.check_unchanged()
        return job.outcome(num_limited=writer.num_limited)
