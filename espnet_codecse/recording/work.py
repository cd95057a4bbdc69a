"""What a worker process does: enhance, encode or decode one recording after the other, or some at once."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from time import monotonic
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from espnet_codecse.codec.bitstream import BitstreamReader, BitstreamWriter, Header, bits_for
from espnet_codecse.codec.resolve import ESPNET_TAGS, LYRA, TRANSFORMERS_IDS, check_num_codebooks, codec_files
from espnet_codecse.codec.streaming import ForwardBuffer, FramesOfCodes, FramesOfWaveform, decode_stream, device_of
from espnet_codecse.errors import UserError
from espnet_codecse.fileio import atomic_path
from espnet_codecse.job.resources import keep_freed_memory, peak_memory
from espnet_codecse.recording.job import Job, Options, Outcome, Report
from espnet_codecse.recording.sink import RecordingWriter
from espnet_codecse.recording.source import RecordingReader, reason_of

if TYPE_CHECKING:
    from espnet_codecse.enh.abs_enhancer import AbsEnhancer

Frames = FramesOfCodes | FramesOfWaveform
LAYER = "continuous"  # decoded where a model has several: the quantiser is passed by where no codes are asked for
PIECE = 1500  # frames handled at once where nothing else bounds them


class Worker:
    """Holds the model, which it loads with the first recording.

    Args:
        options: what to do.
        done: a shared number of type double: seconds of audio that are done, for the progress bar.
        created: ``time.monotonic()`` when its process was asked for: what it takes to the first recording is loading.
            0: there is no process of its own.
    """

    def __init__(self, options: Options, done: Any, created: float = 0.0):
        self.options, self._done, self._begin_loading = options, done, created
        self._counted = 0.0
        self._enhancer: Any = None  # an AbsEnhancer, from the first recording on

    def run(self, jobs: Sequence[Job]) -> Report:
        """Work on ``jobs``; what is wrong with one of them stops none of the others.

        Raises:
            UserError: the model or codec is not to be had.
        """
        options, self._counted = self.options, 0.0
        started, self._begin_loading = self._begin_loading or monotonic(), 0.0
        if self._enhancer is None and not (options.model is None and options.codec is None):
            self._enhancer = self._build(options.codec)
        loaded = monotonic()
        before = 0.0 if self._enhancer is None else self._enhancer.network_seconds
        if options.source == options.target == "wave":
            outcomes = self._enhance_together(jobs) if len(jobs) > 1 else [self._attempt(jobs[0], self._enhance_alone)]
        else:
            outcomes = [self._attempt(job, self._through_embeddings) for job in jobs]
        self._count(sum(job.seconds for job in jobs) - self._counted)  # what failed half-way is done too
        after = 0.0 if self._enhancer is None else self._enhancer.network_seconds
        return Report(outcomes, loaded - started, after - before, peak_memory())

    def _build(self, codec: str | None) -> "AbsEnhancer":
        from espnet_codecse.zoo.enhancer import load_enhancer, resolve_device

        options = self.options
        if options.model is not None:
            enhancer: Any = load_enhancer(
                options.model,
                codec,
                options.device,
                options.dtype,
                (LAYER,),
                options.segment_seconds,
                **dict(options.model_options),
            )
            codes = "codes" in (options.source, options.target)
            if codes and LAYER not in enhancer.layers:
                raise UserError(f"--model {options.model}: works on waveforms; leave out --from codes and --to codes")
            if codes:
                check_num_codebooks(enhancer.codec, options.num_codebooks)
            if enhancer.restore_level and codes:
                print(f"{options.model}: trained without regard to level; only waveforms get it back", file=sys.stderr)
            return enhancer
        from espnet_codecse.codec import load_codec
        from espnet_codecse.enh.inference import EmbeddingEnhancer

        loaded = load_codec(codec, resolve_device(options.device))
        check_num_codebooks(loaded, options.num_codebooks)
        return EmbeddingEnhancer(loaded, None, (LAYER,), options.segment_seconds)

    def _count(self, seconds: float) -> None:
        self._counted += seconds
        with self._done.get_lock():
            self._done.value += seconds

    def _attempt(self, job: Job, function: Callable[[Job], int]) -> Outcome:
        """Run ``function``, which returns the number of clipped samples, and take note of what goes wrong."""
        try:
            return Outcome(job.recording, job.seconds, num_clipped=function(job))
        except Exception as error:  # decoders and networks raise many things at a broken recording
            return Outcome(job.recording, job.seconds, error=reason_of(error, job.recording))

    def _reader(self, job: Job) -> RecordingReader:
        return RecordingReader(job.recording, self._enhancer.sample_rate, self.options.mono)

    def _writer(self, job: Job, rate: int, num_samples: int) -> RecordingWriter:
        return RecordingWriter(
            list(job.outputs),
            job.form,  # type: ignore[arg-type]  # only codes have none
            rate,
            job.num_channels,
            num_samples,
            self._enhancer.sample_rate,
            job.recording,
            self.options.mono,
            self.options.mix,
            job.residual,
        )

    def _enhance_together(self, jobs: Sequence[Job]) -> list[Outcome]:
        """Enhance recordings that fit into one batch, each channel an item of it."""
        outcomes, readers, batch = {}, {}, {}
        for job in jobs:

            def read(job=job) -> int:
                with self._reader(job) as reader:
                    batch[job] = reader.read(0, reader.num_output)
                    readers[job] = reader
                return 0

            outcome = self._attempt(job, read)
            if outcome.error is not None:
                outcomes[job] = outcome
        rows = [channel for samples in batch.values() for channel in samples]
        estimates = iter(self._enhancer.enhance_batch(rows) if rows else [])
        for job, samples in batch.items():
            pieces = np.stack([self._speakers(next(estimates)) for _ in samples], axis=1)

            def write(job=job, pieces=pieces) -> int:
                reader = readers[job]
                with self._writer(job, reader.rate, reader.num_samples) as writer:
                    writer.write(pieces)
                    writer.finish(reader.true_num_samples)
                return writer.num_clipped

            outcomes[job] = self._attempt(job, write)
        return [outcomes[job] for job in jobs]

    def _enhance_alone(self, job: Job) -> int:
        """Enhance a recording of any length, in segments where it is long, its channels side by side."""
        with self._reader(job) as reader, self._writer(job, reader.rate, reader.num_samples) as writer:
            channels = [
                self._enhancer.enhance_long(
                    lambda start, count, channel=channel: reader.read(start, count)[channel], reader.num_output
                )
                for channel in range(reader.num_channels)
            ]
            for pieces in zip(*channels):
                estimates = np.stack([self._speakers(piece) for piece in pieces], axis=1)
                writer.write(estimates)
                self._count(estimates.shape[-1] / self._enhancer.sample_rate)
            writer.finish(reader.true_num_samples)
        return writer.num_clipped

    def _speakers(self, estimates: dict[str, np.ndarray]) -> np.ndarray:
        """Return ``(speaker, sample)`` of what an enhancer gave: systems may have other outputs besides."""
        return estimates[self._enhancer.layers[0]][: self._enhancer.num_spk]

    def _through_embeddings(self, job: Job) -> int:
        """Go from codes or to codes: no waveform is made where both are."""
        with ExitStack() as stack:
            if self.options.source == "codes":
                stored = stack.enter_context(BitstreamReader(job.recording))
                if self.options.model is None and self.options.codec is None:
                    self._enhancer = self._build(known_codec(stored))
                stored.check_codec(self._enhancer.codec)
                header = replace(stored.header, num_codebooks=self.options.num_codebooks or stored.header.num_codebooks)
                frames: Frames = FramesOfCodes(self._enhancer.codec, stored.read, header.num_frames)
            else:
                reader = stack.enter_context(self._reader(job))
                header = self._header(reader)
                frames = FramesOfWaveform(self._enhancer.codec, reader.read, reader.num_output)
            pieces = self._separated(frames, header)
            if self.options.target == "codes":
                self._write_codes(job, header, pieces)
                return 0
            return self._decode(job, header, pieces)

    def _header(self, reader: RecordingReader) -> Header:
        codec = self._enhancer.codec
        return Header(
            codec=codec.name,
            fingerprint=codec.fingerprint,
            sample_rate=codec.sample_rate,
            hop=codec.hop,
            num_codebooks=self.options.num_codebooks or codec.num_codebooks,
            bits_per_code=bits_for(codec.codebook_size),
            num_channels=reader.num_channels,
            num_frames=codec.num_frames(reader.num_output),
            num_samples=reader.num_output,
            source_rate=reader.rate,
            source_num_samples=reader.num_samples,
            source_format=reader.format,
            source_subtype=reader.subtype,
        )

    def _separated(self, frames: Frames, header: Header) -> Iterator[np.ndarray]:
        """Yield estimates ``(speaker, channel, frame, dim)``, piece by piece."""
        if self._enhancer.separator is None:
            for start in range(0, header.num_frames, PIECE):
                count = min(PIECE, header.num_frames - start)
                yield frames.read(start, count)[None].cpu().numpy()
            return
        channels = [
            self._enhancer.separate_long(
                lambda start, count, channel=channel: frames.read(start, count)[channel], header.num_frames
            )
            for channel in range(header.num_channels)
        ]
        for pieces in zip(*channels):
            yield np.stack(pieces, axis=1)

    def _write_codes(self, job: Job, header: Header, pieces: Iterator[np.ndarray]) -> None:
        codec = self._enhancer.codec
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

    def _decode(self, job: Job, header: Header, pieces: Iterator[np.ndarray]) -> int:
        codec, num_speakers = self._enhancer.codec, len(job.outputs)

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
        return writer.num_clipped


def known_codec(stored: BitstreamReader) -> str:
    """Return the codec that a file of codes names, where that is on this machine or known to the package.

    Raises:
        UserError: it is neither: a file must not make this program fetch what nobody asked for.
    """
    name = stored.header.codec
    known = (LYRA, *TRANSFORMERS_IDS, *TRANSFORMERS_IDS.values(), *ESPNET_TAGS)
    if codec_files(name) or name in known:
        return name
    raise UserError(f"{stored.path}: made with the codec '{name}', which is not here; pass --codec with its folder")


_worker: Worker  # set by start_worker


def start_worker(options: Options, done: Any, created: float) -> None:
    """Make this process's worker; see :class:`Worker`."""
    global _worker
    keep_freed_memory()
    _worker = Worker(options, done, created)


def run_unit(jobs: Sequence[Job]) -> Report:
    """Give ``jobs`` to this process's worker."""
    return _worker.run(jobs)
