"""Speed of training: steps per second, real-time factor, and share of the device's arithmetic that is used (MFU)."""

import statistics
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import torch

from espnet_codecse.benchmark.macs import count_step_flops, num_parameters
from espnet_codecse.benchmark.steps import Training
from espnet_codecse.benchmark.timing import measure_in_turns
from espnet_codecse.report.environment import environment_lines
from espnet_codecse.task.device import describe_device
from espnet_codecse.task.training import read_configuration

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
# Dense matrix products in bfloat16, TFLOP/s, by a part of the device's name; from NVIDIA's data sheets.
PEAK_TFLOPS = {"H200": 989.0, "H100": 989.0, "A100": 312.0, "L40S": 362.0, "RTX 4090": 165.0}
MATRIX_SIZE = {"cpu": 1024, "cuda": 8192}
NOTE = """\
A step is forward pass, losses, backward pass, clipping of gradients and optimiser, on a batch that is on the device.
Its FLOP are those of its matrix products and convolutions. Each multiplication of the forward pass counts six where
weights are trained (two for the pass, four for its gradients), four where a gradient only passes through, such as in a
frozen decoder, and two without a gradient, such as in a frozen encoder. MFU is FLOP per second over the peak."""


class Peak(NamedTuple):
    """Arithmetic of a device: FLOP per second, and where the figure comes from."""

    flops: float
    source: str


def training_report(
    config: Path,
    device: str,
    num_threads: int,
    dtypes: list[str],
    batch_size: int | None,
    seconds: float | None,
    stored: bool,
    peak_tflops: float | None,
    num_rounds: int,
    num_steps: int,
) -> str:
    """Measure and return the report in Markdown.

    Args:
        config: yaml of a training, written by ``codecse config``.
        device, num_threads: torch device, and number of threads for the text.
        dtypes: data types of products: float32, or bfloat16 under autocast (``use_amp``).
        batch_size: recordings per step; None: the configuration's.
        seconds: length of a recording; None: the configuration's crops, or 4 s.
        stored: train on embeddings, as far as the losses allow it.
        peak_tflops: peak of the device, TFLOP/s; None: from :data:`PEAK_TFLOPS`, or measured.
        num_rounds, num_steps: rounds over all data types, and steps of each per round.
    """
    torch.manual_seed(0)
    training = Training(read_configuration(config))
    size = batch_size or int(training.args.batch_size)
    seconds = seconds or getattr(training.args, "crop_seconds", None) or 4.0
    # Counted on the CPU, where every kernel is known, and for one recording.
    single, _ = training.batch(1, seconds, stored)
    flops = size * count_step_flops(lambda: training.gradients(single)) / training.cycle
    training.model.zero_grad(set_to_none=True)
    training.to(device)
    batch, audio_seconds = training.batch(size, seconds, stored)
    steps = {dtype: training.step(batch, DTYPES[dtype]) for dtype in dtypes}
    costs = measure_in_turns(steps, device, num_rounds, num_steps)
    what = "stored embeddings" if stored else "waveforms"
    lines = ["# Speed of training", "", *environment_lines(), ""]
    lines += [
        f"{describe_device(device, num_threads)}; {config.name}: {size} recordings of {audio_seconds / size:g} s a "
        f"step, {what}; {num_parameters(training.model) / 1e6:.2f} M trained parameters, {flops / 1e9:.3g} GFLOP a "
        f"step; median of {num_rounds * num_steps} steps.",
        "",
        "|type of number|steps per second, median [slowest, fastest]|real-time factor|TFLOP/s|peak, TFLOP/s|MFU, %"
        "|memory, MB|",
        "|---|---|---|---|---|---|---|",
    ]
    for dtype, cost in costs.items():
        median, peak = statistics.median(cost.seconds), find_peak(device, DTYPES[dtype], peak_tflops)
        speed = f"{1 / median:.3g} [{1 / max(cost.seconds):.3g}, {1 / min(cost.seconds):.3g}]"
        cells = [dtype, speed, f"{median / audio_seconds:.3g}", f"{flops / median / 1e12:.3g}"]
        cells += [f"{peak.flops / 1e12:.3g} ({peak.source})", f"{100 * flops / median / peak.flops:.3g}"]
        lines.append(f"|{'|'.join(cells)}|{cost.peak_bytes / 1e6:.0f}|")
    return "\n".join([*lines, "", NOTE])


def find_peak(device: str, dtype: torch.dtype, tflops: float | None = None) -> Peak:
    """Return the peak of a device: as given, of a known GPU in bfloat16, or else measured in ``dtype``."""
    if tflops is not None:
        return Peak(1e12 * tflops, "given")
    if device != "cpu":
        name = torch.cuda.get_device_name(device)
        for part, known in PEAK_TFLOPS.items():
            if part in name:
                return Peak(1e12 * known, "bfloat16, data sheet")
    return Peak(measured_flops(device, dtype), f"measured, {str(dtype).removeprefix('torch.')}")


def measured_flops(device: str, dtype: torch.dtype, size: int | None = None, num_runs: int = 5) -> float:
    """Return the FLOP per second of the fastest of ``num_runs`` products of two ``(size, size)`` matrices."""
    size = size or MATRIX_SIZE["cpu" if device == "cpu" else "cuda"]
    first, second = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    fastest = float("inf")
    for _ in range(num_runs + 1):  # the first one warms up
        started = perf_counter()
        first @ second
        if device != "cpu":
            torch.cuda.synchronize()
        fastest = min(fastest, perf_counter() - started)
    return 2 * size**3 / fastest
