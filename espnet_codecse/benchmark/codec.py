"""Parameters and real-time factors of a codec's parts."""

import statistics
from collections.abc import Callable
from typing import Any, NamedTuple

import torch

from espnet_codecse.benchmark.timing import measure_in_turns
from espnet_codecse.codec import AbsCodec, load_codec


class CodecSpeed(NamedTuple):
    """Real-time factors of a codec's parts, and the peak memory of encoding in bytes."""

    encode: float
    quantize: float
    decode: float
    peak_bytes: int


def codec_speed(codec: AbsCodec, device: str, seconds: float, num_runs: int) -> CodecSpeed:
    """Measure the parts in turn on ``seconds`` of noise; return the medians of ``num_runs`` runs."""
    num_samples = codec.num_frames(round(seconds * codec.sample_rate)) * codec.hop
    speech = 0.05 * torch.randn(1, num_samples, device=device)
    lengths = torch.tensor([num_samples], device=device)

    def step(function: Callable[[], Any]) -> Callable[[], float]:
        def run() -> float:
            function()
            return 0.0

        return run

    with torch.no_grad():
        embedding, frame_lengths = codec.encode(speech, lengths)
        parts = {
            "encode": step(lambda: codec.encode(speech, lengths)),
            "quantize": step(lambda: codec.quantize(embedding)),
            "decode": step(lambda: codec.decode(embedding, frame_lengths, num_samples)),
        }
        cost = measure_in_turns(parts, device, num_runs, 1)
    factors = {name: statistics.median(item.seconds) * codec.sample_rate / num_samples for name, item in cost.items()}
    return CodecSpeed(**factors, peak_bytes=cost["encode"].peak_bytes)


def report(codec_name: str, device: str, num_threads: int, seconds: float, num_runs: int) -> str:
    """Return one line for the codec and one for each of its parts.

    Args:
        codec_name: any value of ``--codec``.
        device: torch device.
        num_threads: number of torch threads, for the text.
        seconds, num_runs: see :func:`codec_speed`.
    """
    codec = load_codec(codec_name, device)
    speed = codec_speed(codec, device, seconds, num_runs)
    # In some codecs the codebooks are buffers, so buffers are counted too.
    parameters = sum(value.numel() for value in codec.state_dict().values())
    identity = f"{codec.sample_rate} Hz, hop {codec.hop}, {codec.dim} ch."
    lines = [f"{codec.name}: {parameters / 1e6:.2f} M parameters, {identity}"]
    for name in ("encode", "quantize", "decode"):
        factor = getattr(speed, name)
        lines.append(f"{name:<9} real-time factor {factor:.4f} ({device}, {num_threads} threads, {seconds} s)")
    return "\n".join(lines)
