"""Enhance a stream frame by frame, as on a device, keeping the state of the causal network between frames.

    codecse stream --model exp/ssl_gcrn_small noisy.wav enhanced.wav
    arecord -t raw -f S16_LE -r 16000 | codecse stream --model model.onnx - - | aplay -f S16_LE -r 16000
    codecse stream --model exp/ssl_gcrn_small noisy.wav enhanced.wav --chunk 1 --report

- stands for mono PCM on the standard streams: 16 bits, little-endian, 16 kHz; the input may begin with the header of a
wav file. NaN and infinite samples are replaced by silence and counted. Each sample is written as soon as no
later input can change it, at most 25 ms after it was read. Outputs are as long as inputs and aligned with them.
--report measures the time of every 20 ms frame on one thread.
"""

import argparse
import sys
from pathlib import Path

from espnet_codecse.bin.numbers import positive

SAMPLE_RATE, HOP = 16000, 320


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of ``codecse stream``."""
    parser = argparse.ArgumentParser(
        prog="codecse stream", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("input", help="recording at 16 kHz with one channel, or -")
    add("output", help="wav or flac to write, or -")
    add(
        "--model",
        required=True,
        help="model of the system ssl_gcrn (as in codecse enhance), or a graph of codecse export_onnx",
    )
    add("--chunk", type=positive, default=HOP, help="samples per read (default: %(default)s, one frame)")
    add("--report", action="store_true", help="print the time per 20 ms frame: p50, p95, p99")
    return parser


def main(argv: list[str] | None = None) -> None:
    """Enhance the stream and report on standard error."""
    args = get_parser().parse_args(sys.argv[1:] if argv is None else argv)
    from time import perf_counter

    from espnet_codecse.errors import UserError
    from espnet_codecse.recording.pcm import open_sink, open_source

    if args.chunk < 1:
        raise UserError(f"--chunk {args.chunk}: give a positive number of samples")
    import torch

    torch.set_num_threads(1)
    stream = build_stream(args.model)
    latency = stream.latency_samples
    print(f"algorithmic latency: {latency} samples, {1000 * latency / SAMPLE_RATE:g} ms", file=sys.stderr)
    seconds: list[float] = []
    num_samples = 0
    with open_source(args.input, SAMPLE_RATE) as read, open_sink(args.output, SAMPLE_RATE) as write:
        samples = read(args.chunk)
        while len(samples):
            num_samples += len(samples)
            started = perf_counter()
            enhanced = stream.process(samples)
            # Calls that complete no frame take almost no time and would distort the percentiles.
            if len(enhanced):
                seconds.append((perf_counter() - started) / (len(enhanced) / HOP))
            write(enhanced)
            samples = read(args.chunk)
        write(stream.flush())
    if stream.num_not_finite:
        print(
            f"{args.input}: {stream.num_not_finite} samples were NaN or infinite, replaced by silence", file=sys.stderr
        )
    if args.report:
        print(latency_report(seconds, num_samples), file=sys.stderr)


def build_stream(model: str):
    """Return the stream of an ONNX graph, or of a model by any name that ``codecse enhance`` accepts.

    Raises:
        UserError: the model does not exist or does not stream.
    """
    from espnet_codecse.causal.streaming import StreamingEnhancer
    from espnet_codecse.errors import UserError

    if Path(model).suffix == ".onnx":
        from espnet_codecse.causal.onnx import OnnxFrames

        frames = OnnxFrames(Path(model))
        return StreamingEnhancer(frames, frames.compression)
    from espnet_codecse.zoo.load import load_enhancer

    enhancer = load_enhancer(model, device="cpu", dtype="float32")
    try:
        return enhancer.stream()
    except UserError as error:
        raise UserError(f"--model {model}: {error}") from None


def latency_report(seconds: list[float], num_samples: int) -> str:
    """Return percentiles of the time per frame as text.

    Args:
        seconds: time of each frame.
        num_samples: length of the whole stream.
    """
    import numpy as np

    if not seconds:
        return "no frame was completed"
    shares = np.percentile(seconds, (50, 95, 99)) * 1000
    late = sum(value > HOP / SAMPLE_RATE for value in seconds)
    factor = sum(seconds) / (num_samples / SAMPLE_RATE)
    return (
        f"{len(seconds)} frames of {1000 * HOP / SAMPLE_RATE:g} ms on one thread: p50 {shares[0]:.2f} ms, "
        f"p95 {shares[1]:.2f} ms, p99 {shares[2]:.2f} ms; "
        f"{late} took longer than they last; real-time factor {factor:.3f}"
    )


if __name__ == "__main__":
    main()
