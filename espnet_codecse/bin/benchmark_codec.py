"""Measure a codec: parameters and real-time factors of encoder, quantiser and decoder.

    codecse benchmark_codec --codec small --num_threads 2
"""

import argparse
import sys
from typing import Callable, List, Optional


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of ``codecse benchmark_codec``."""
    parser = argparse.ArgumentParser(
        prog="codecse benchmark_codec", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--codec", default="small", help="name or folder (default: %(default)s)")
    add("--device", default="cpu", help="torch device (default: %(default)s)")
    add("--num_threads", type=int, default=2, help="torch threads (default: %(default)s)")
    add("--seconds", type=float, default=10.0, help="length of the signal, s (default: %(default)s)")
    add("--runs", type=int, default=7, help="the median of so many runs counts (default: %(default)s)")
    return parser


def main(argv: Optional[List[str]] = None) -> None:
    """Print one line a part."""
    args = get_parser().parse_args(sys.argv[1:] if argv is None else argv)
    import torch

    from espnet_codecse.codec import load_codec

    torch.set_num_threads(args.num_threads)
    codec = load_codec(args.codec, args.device)
    num_samples = codec.num_frames(round(args.seconds * codec.sample_rate)) * codec.hop
    speech = 0.05 * torch.randn(1, num_samples, device=args.device)
    lengths = torch.tensor([num_samples], device=args.device)
    with torch.no_grad():
        embedding, frame_lengths = codec.encode(speech, lengths)
        parts = {
            "encode": lambda: codec.encode(speech, lengths),
            "quantize": lambda: codec.quantize(embedding),
            "decode": lambda: codec.decode(embedding, frame_lengths, num_samples),
        }
        # Codebooks are buffers in some codecs, so all that is stored counts.
        parameters = sum(value.numel() for value in codec.state_dict().values())
        print(f"{codec.name}: {parameters / 1e6:.2f} M parameters, {codec.sample_rate} Hz, hop {codec.hop}, {codec.dim} ch.")
        for name, function in parts.items():
            factor = _median_seconds(function, args.runs, args.device) * codec.sample_rate / num_samples
            print(f"{name:<9} real-time factor {factor:.4f} ({args.device}, {args.num_threads} threads, {args.seconds} s)")


def _median_seconds(function: Callable[[], object], runs: int, device: str) -> float:
    import statistics
    import time

    import torch

    times = []
    for _ in range(runs + 1):
        start = time.perf_counter()
        function()
        if device != "cpu":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


if __name__ == "__main__":
    main()
