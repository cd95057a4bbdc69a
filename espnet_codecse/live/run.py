"""The loops of ``codecse stream``: from a source through a model to a sink."""

import sys
from contextlib import ExitStack
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from espnet_codecse.enh.streaming import CodecStream
from espnet_codecse.errors import UserError
from espnet_codecse.live.channels import ChannelStreams
from espnet_codecse.live.code_sink import open_code_sink
from espnet_codecse.live.interruptible import Read, interruptible
from espnet_codecse.live.pcm import STANDARD, open_sink, open_source
from espnet_codecse.live.source import Sink, Source
from espnet_codecse.live.status import StatusLine
from espnet_codecse.live.streams import SAMPLE_RATE, build_streams
from espnet_codecse.live.timing import FrameTimes

FRAMES_AHEAD = 2  # of silence, which a device plays first


@dataclass(frozen=True)
class StreamOptions:
    """What is streamed, and how.

    Attributes:
        model: see :func:`espnet_codecse.live.streams.build_streams`, as codec and num_codebooks.
        source: sound file, or ``-``; not used with ``input_device``.
        target: sound file, file of codes, or ``-``; not used with ``output_device``.
        input_device, output_device: names of devices, or None.
        raw_rate, raw_channels: of raw samples on standard input.
        mono: enhance the mean of the channels.
        codec: folder of the model's codec, if it has moved.
        num_codebooks: quantise with the codec's first codebooks; None: do not.
        chunk: samples per read; None: one frame.
        report: print the time per frame.
    """

    model: str
    source: str = STANDARD
    target: str = STANDARD
    input_device: str | None = None
    output_device: str | None = None
    raw_rate: int = SAMPLE_RATE
    raw_channels: int = 1
    mono: bool = False
    codec: str | None = None
    num_codebooks: int | None = None
    chunk: int | None = None
    report: bool = False

    @property
    def input_name(self) -> str:
        """Name of the input for messages."""
        return self.source if self.input_device is None else f"--input_device {self.input_device}"


def to_samples(options: StreamOptions, stack: ExitStack) -> None:
    """Enhance every channel.

    Args:
        options: see :class:`StreamOptions`.
        stack: closes source and sink.

    Raises:
        UserError: the input, the output or the model cannot be used.
    """
    source = _opened_source(options, stack)
    num_channels = 1 if options.mono else source.num_channels
    streams = build_streams(options.model, num_channels, options.codec, options.num_codebooks)
    hop, read = streams[0].hop, stack.enter_context(interruptible(_reader(source, options.mono)))
    if options.output_device is None:
        sink = stack.enter_context(open_sink(options.target, source.sample_rate, num_channels))
    else:
        from espnet_codecse.live.device import open_output

        ahead = FRAMES_AHEAD * hop * source.sample_rate // SAMPLE_RATE
        sink = stack.enter_context(open_output(options.output_device, num_channels, source.sample_rate, ahead))
    enhancer = ChannelStreams(streams, SAMPLE_RATE, source.sample_rate, sink.sample_rate)
    latency = f"{streams[0].latency_samples} samples, {1000 * streams[0].latency_samples / SAMPLE_RATE:g} ms"
    if {source.sample_rate, sink.sample_rate} != {SAMPLE_RATE}:
        latency += f"; with resampling up to {1000 * enhancer.latency_seconds:.0f} ms"
    print(f"algorithmic latency: {latency}", file=sys.stderr)
    times, num_samples = _enhance(options, source, sink, enhancer, hop, read)
    _tell_not_finite(options.input_name, enhancer.num_not_finite)
    if options.report:
        print(times.report(max(num_samples, 1) / source.sample_rate), file=sys.stderr)


def _enhance(
    options: StreamOptions, source: Source, sink: Sink, enhancer: ChannelStreams, hop: int, read: Read
) -> tuple[FrameTimes, int]:
    """Return the times, and the number of samples per channel that were read."""
    status = None if options.input_device is None and options.output_device is None else StatusLine()
    chunk = options.chunk or max(1, hop * source.sample_rate // SAMPLE_RATE)
    times, num_samples = FrameTimes(hop / SAMPLE_RATE), 0
    frames_per_sample = SAMPLE_RATE / sink.sample_rate / hop
    try:
        while len(samples := read(chunk)):
            num_samples += len(samples)
            started = perf_counter()
            enhanced = enhancer.process(samples)
            busy = perf_counter() - started
            times.add(busy, len(enhanced) * frames_per_sample)
            sink.write(enhanced)
            if status is not None:
                status.heard(samples, "in")
                status.heard(enhanced, "out")
                status.worked(busy, len(samples) / source.sample_rate, source.num_glitches + sink.num_glitches)
    except KeyboardInterrupt:
        print("\ninterrupted: the stream ends here", file=sys.stderr)
    if status is not None:
        status.end()
    sink.write(enhancer.flush())
    return times, num_samples


def to_codes(options: StreamOptions, stack: ExitStack) -> None:
    """Write codes.

    Args:
        options: see :class:`StreamOptions`.
        stack: closes source and file.

    Raises:
        UserError: the input is not mono at 16 kHz, the model makes no codes, or a file cannot be used.
    """
    source = _opened_source(options, stack)
    if source.sample_rate != SAMPLE_RATE or (source.num_channels != 1 and not options.mono):
        raise UserError(
            f"{options.input_name}: {source.num_channels} channel(s) at {source.sample_rate} Hz, but "
            f"codes are made of one at {SAMPLE_RATE} Hz; convert it, or use codecse enhance --to codes"
        )
    stream = build_streams(options.model, 1, options.codec, options.num_codebooks)[0]
    if not isinstance(stream, CodecStream):
        raise UserError(f"{options.target}: the model works on waveforms and makes no codes; write .wav, .flac or -")
    write = stack.enter_context(open_code_sink(options.target, stream))
    read = stack.enter_context(interruptible(_reader(source, options.mono)))
    times = FrameTimes(stream.hop / SAMPLE_RATE)
    try:
        while len(samples := read(options.chunk or stream.hop)):
            started = perf_counter()
            codes = stream.encode(samples[:, 0])
            times.add(perf_counter() - started, codes.shape[1])
            write(codes)
    except KeyboardInterrupt:
        print("interrupted: the stream ends here", file=sys.stderr)
    write(stream.flush_codes())
    _tell_not_finite(options.input_name, stream.num_not_finite)
    if options.report:
        print(times.report(max(stream.num_samples, 1) / SAMPLE_RATE), file=sys.stderr)


def _opened_source(options: StreamOptions, stack: ExitStack) -> Source:
    if options.input_device is None:
        return stack.enter_context(open_source(options.source, options.raw_rate, options.raw_channels))
    from espnet_codecse.live.device import open_input

    return stack.enter_context(open_input(options.input_device, 1 if options.mono else None, SAMPLE_RATE))


def _reader(source: Source, mono: bool) -> Read:
    if not mono or source.num_channels == 1:
        return source.read
    return lambda count: source.read(count).mean(axis=1, keepdims=True, dtype=np.float32)


def _tell_not_finite(name: str, count: int) -> None:
    if count:
        print(f"{name}: {count} samples were NaN or infinite, replaced by silence", file=sys.stderr)
