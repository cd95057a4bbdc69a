"""Parameters and real-time factors of a codec's parts."""

import statistics
import time
from typing import Callable, List

import torch

from espnet_codecse.codec import load_codec


def report(codec_name: str, device: str, num_threads: int, seconds: float, num_runs: int) -> str:
    """Return one line for the codec and one for each of its parts.

    Args:
        codec_name: what ``--codec`` takes.
        device: torch device.
        num_threads: as torch was told, for the text.
        seconds: length of the signal.
        num_runs: the median of so many runs counts.
    """
    codec = load_codec(codec_name, device)
    num_samples = codec.num_frames(round(seconds * codec.sample_rate)) * codec.hop
    speech = 0.05 * torch.randn(1, num_samples, device=device)
    lengths = torch.tensor([num_samples], device=device)
    with torch.no_grad():
        embedding, frame_lengths = codec.encode(speech, lengths)
        parts = {
            "encode": lambda: codec.encode(speech, lengths),
            "quantize": lambda: codec.quantize(embedding),
            "decode": lambda: codec.decode(embedding, frame_lengths, num_samples),
        }
        # Codebooks are buffers in some codecs, so all that is stored counts.
        parameters = sum(value.numel() for value in codec.state_dict().values())
        identity = f"{codec.sample_rate} Hz, hop {codec.hop}, {codec.dim} ch."
        lines = [f"{codec.name}: {parameters / 1e6:.2f} M parameters, {identity}"]
        for name, function in parts.items():
            factor = _median_seconds(function, num_runs, device) * codec.sample_rate / num_samples
            lines.append(f"{name:<9} real-time factor {factor:.4f} ({device}, {num_threads} threads, {seconds} s)")
    return "\n".join(lines)


def _median_seconds(function: Callable[[], object], num_runs: int, device: str) -> float:
    times: List[float] = []
    for _ in range(num_runs + 1):
        start = time.perf_counter()
        function()
        if device != "cpu":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])
