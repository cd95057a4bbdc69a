"""Parameters and real-time factors of a codec's parts."""

import statistics
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from espnet_codecse.benchmark.random_codecs import save_random_codec
from espnet_codecse.benchmark.timing import measure_in_turns
from espnet_codecse.codec import AbsCodec, codec_label, load_codec
from espnet_codecse.report.environment import environment_lines
from espnet_codecse.task.device import describe_device


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


def report(
    names: Sequence[str], random: Sequence[str], device: str, num_threads: int, seconds: float, num_runs: int
) -> str:
    """Measure one codec after another, and return a table in Markdown.

    Args:
        names: values of ``--codec``.
        random: codecs of :data:`espnet_codecse.benchmark.random_codecs.BUILDERS` to measure with random weights.
        device: torch device.
        num_threads: number of torch threads, for the text.
        seconds, num_runs: see :func:`codec_speed`.
    """
    command = f"codecse benchmark codec --codec {' '.join(map(codec_label, names))}"
    command += f" --random {' '.join(random)}" if random else ""
    command += f" --device {device} --num_threads {num_threads} --seconds {seconds:g} --runs {num_runs}"
    where = describe_device(device, num_threads)
    lines = [f"<!-- {command} -->", "# Cost of codecs", "", *environment_lines(), ""]
    lines += [f"Real-time factors on {where}; medians of {num_runs} runs on {seconds:g} s.", ""]
    lines += ["|codec|parameters, M|Hz|hop|channels|encode|quantise|decode|memory to encode, MB|"]
    lines += ["|---|---|---|---|---|---|---|---|---|"]
    lines += [_line(load_codec(name, device), codec_label(name), device, seconds, num_runs) for name in names]
    for name in random:
        with tempfile.TemporaryDirectory() as folder:
            codec = load_codec(str(save_random_codec(name, Path(folder))), device)
            lines.append(_line(codec, f"{name}, random weights", device, seconds, num_runs))
    return "\n".join(lines)


def _line(codec: AbsCodec, label: str, device: str, seconds: float, num_runs: int) -> str:
    speed = codec_speed(codec, device, seconds, num_runs)
    # In some codecs the codebooks are buffers, so buffers are counted too.
    parameters = sum(value.numel() for value in codec.state_dict().values())
    cells = [label, f"{parameters / 1e6:.2f}", codec.sample_rate, codec.hop, codec.dim]
    cells += [f"{value:.4f}" for value in (speed.encode, speed.quantize, speed.decode)]
    return f"|{'|'.join(map(str, cells))}|{speed.peak_bytes / 1e6:.0f}|"
