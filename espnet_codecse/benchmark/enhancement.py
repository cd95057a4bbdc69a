"""Cost of the paper-size network of nac_se beside SepFormer for one speaker at 16 kHz (2502.16240, abstract)."""

import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch

from espnet_codecse.benchmark.macs import count_macs, count_module_macs, num_parameters
from espnet_codecse.benchmark.sepformer import Sepformer
from espnet_codecse.benchmark.timing import measure_in_turns, not_reading
from espnet_codecse.enh.separator.nac_se import NacSeSeparator
from espnet_codecse.report.environment import environment_lines
from espnet_codecse.task.device import describe_device

SAMPLE_RATE = 16000  # Hz
HOP, DIM = 320, 1024  # of DAC at 16 kHz
PUBLISHED = {"GMAC": 3.94, "ratio": 18, "real-time factor": 0.005}
NOTE = """\
Random weights. nac_se is the network on embeddings of DAC at 16 kHz, without the codec, as published. "all products"
counts attention; "as thop" counts linear layers and convolutions. The published figures say neither how they were
counted nor for how long a signal. Their ratio of 18 is that of SepFormer on 4 s as thop counts, 70 GMAC per second, to
3.94. The published real-time factor is that of a GPU."""


class _System(NamedTuple):
    title: str
    build: Callable[[], torch.nn.Module]
    run: Callable[[torch.nn.Module, torch.device], Any]


def _systems(seconds: float, size: dict[str, Any]) -> list[_System]:
    num_samples = round(seconds * SAMPLE_RATE)
    frames = -(-num_samples // HOP)

    def enhance(network: torch.nn.Module, device: torch.device) -> Any:
        return network(torch.zeros(1, frames, DIM, device=device), torch.tensor([frames]))

    def separate(network: torch.nn.Module, device: torch.device) -> Any:
        return network(torch.zeros(1, num_samples, device=device))

    return [
        _System("nac_se, paper size", lambda: NacSeSeparator(DIM, **{**size, "normalize": "none"}), enhance),
        _System("SepFormer (SpeechBrain), one speaker", lambda: Sepformer(1), separate),
    ]


def enhancement_report(
    device: str, num_threads: int, seconds: float, num_rounds: int, size: dict[str, Any] | None = None
) -> str:
    """Count and measure both networks, and return the report.

    Args:
        device, num_threads: torch device, and number of threads for the text.
        seconds: length of the recording.
        num_rounds: runs of each network, in turns, after one that is not counted.
        size: arguments of :class:`NacSeSeparator`; default: the paper's, of ``nac_se/size/paper.yaml``.

    Raises:
        UserError: SpeechBrain is not installed.
    """
    systems = _systems(seconds, paper_size() if size is None else size)
    counts, steps = [], {}
    for system in systems:
        counts.append(_count(system))
        steps[system.title] = _timed(system, system.build().to(device).eval(), torch.device(device))
    costs = measure_in_turns(steps, device, num_rounds, 1)
    where = describe_device(device, num_threads)
    lines = [
        f"<!-- codecse benchmark enhancement --device {device} --num_threads {num_threads} --seconds {seconds:g} "
        f"--rounds {num_rounds} -->",
        "# Cost of enhancement",
        "",
        *environment_lines(),
        "",
        f"{where}; {seconds:g} s of audio, median of {num_rounds} runs in turns.",
        "",
        "|network|parameters, M|GMAC per second, all products|as thop|real-time factor [fastest, slowest]|",
        "|---|---|---|---|---|",
    ]
    factors = [[second / seconds for second in cost.seconds] for cost in costs.values()]
    for system, (parameters, *macs), factor in zip(systems, counts, factors):
        cells = [f"{parameters / 1e6:.2f}", *(f"{value / seconds / 1e9:.2f}" for value in macs)]
        cells.append(f"{statistics.median(factor):.3g} [{min(factor):.3g}, {max(factor):.3g}]")
        lines.append(f"|{system.title}|{'|'.join(cells)}|")
    ratios = [theirs / ours for ours, theirs in zip(*counts)]
    ratios.append(statistics.median(factors[1]) / statistics.median(factors[0]))
    lines.append(f"|ratio|{'|'.join(f'{ratio:.1f}' for ratio in ratios)}|")
    lines.append(f"|published: LatentSE||{PUBLISHED['GMAC']}||{PUBLISHED['real-time factor']}|")
    lines.append(f"|published: ratio to SepFormer||{PUBLISHED['ratio']}|||")
    return "\n".join([*lines, "", NOTE])


def paper_size() -> dict[str, Any]:
    """Return the arguments of the network in ``nac_se/size/paper.yaml``."""
    from espnet_codecse.documents import read_yaml

    folder = Path(__file__).resolve().parents[1] / "recipe_conf"
    return read_yaml(folder / "nac_se/size/paper.yaml", "restore the file")["separator_conf"]


def _count(system: _System) -> tuple[int, int, int]:
    """Return parameters, MACs of all products, and MACs as thop counts them."""
    network = system.build()

    def run() -> Any:
        return system.run(network, torch.device("cpu"))

    return num_parameters(network), count_macs(run), count_module_macs(network, run)


def _timed(system: _System, network: torch.nn.Module, device: torch.device) -> Callable[[], float]:
    @torch.inference_mode()
    def run() -> None:
        system.run(network, device)

    return not_reading(run)
