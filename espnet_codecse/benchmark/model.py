"""The cost of a trained model: parameters, MACs, real-time factors and memory, next to the figures of its paper."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch

from espnet_codecse.benchmark.macs import count_macs, count_module_macs, num_parameters
from espnet_codecse.benchmark.timing import measure_in_turns, not_reading
from espnet_codecse.codec.streaming import device_of
from espnet_codecse.enh.enhancer import EmbeddingEnhancer
from espnet_codecse.inference.abs_enhancer import AbsEnhancer
from espnet_codecse.report.environment import environment_lines
from espnet_codecse.report.training_log import read_speed
from espnet_codecse.task.device import describe_device
from espnet_codecse.zoo.find import find_model
from espnet_codecse.zoo.load import load_enhancer

NOTE = """\
"all products" counts attention; "as thop" counts linear layers and convolutions, as most published figures do. A
real-time factor is the time for encoder, separator and decoder together, over the seconds of audio, with samples in
memory; memory is what it takes above what the process held before."""


def model_report(
    model: str,
    codec: str | None,
    device: str,
    num_threads: int,
    dtypes: Sequence[str],
    batch_sizes: Sequence[int],
    lengths: Sequence[float],
    num_rounds: int,
    published: Sequence[dict[str, Any]] = (),
    options: dict[str, Any] | None = None,
) -> str:
    """Measure and return the report in Markdown.

    Args:
        model: any value of ``--model``: a pack, an experiment folder, a packaged model.
        codec: folder of its codec, if it has moved since training.
        device, num_threads: torch device, and number of threads for the text.
        dtypes, batch_sizes, lengths (s): all combinations are measured in turn.
        num_rounds: rounds over all combinations.
        published: ``{"row": ..., "source": ..., figure: value}`` from the system's paper.
        options: options of the model at inference, such as ``num_steps`` of a diffusion model.
    """
    options = options or {}
    enhancer = load_enhancer(model, codec, device, "float32", **options)
    where = describe_device(device, num_threads)
    lines = ["# Cost of the model", "", *environment_lines(), "", "## Size and multiplications", ""]
    lines += ["|part|parameters, M|GMAC per second of audio, all products|as thop|", "|---|---|---|---|"]
    lines += _size_lines(enhancer)
    lines += ["## Speed and memory", "", f"{where}; median of {num_rounds} rounds in turns.", ""]
    if options:
        lines += [", ".join(f"{name} {value}" for name, value in options.items()), ""]
    lines += _speed_table(model, codec, device, dtypes, batch_sizes, lengths, num_rounds, options)
    lines += ["", NOTE, "", *_training_lines(model), *_published_lines(published)]
    return "\n".join(lines).rstrip()


def _size_lines(enhancer: AbsEnhancer) -> list[str]:
    if not isinstance(enhancer, EmbeddingEnhancer):
        network = enhancer.network
        # Lengths that need little padding to whole windows and fit into one segment.
        work = {n: partial(enhancer.enhance_batch, [_noise(enhancer, n)]) for n in (4, 8)}
        macs = _gmacs_of_a_second(work)
        thop = count_module_macs(network, work[8]) / 8
        return [f"|system|{num_parameters(network) / 1e6:.2f}|{macs:.3f}|{thop / 1e9:.3f}|", ""]
    separator, codec = enhancer.separator, enhancer.codec
    assert separator is not None  # of a model, not of a codec alone
    per_second = {name: _macs_per_second(enhancer, name) for name in ("separator", "encode", "decode")}
    thop = count_module_macs(separator, lambda: separator(*_embedding(enhancer, 1.0), {}))
    stored = sum(value.numel() for value in codec.state_dict().values())
    trained = "separator" if enhancer.enhances_codes else "trained encoder"
    codec_macs = f"{per_second['encode']:.3f} + {per_second['decode']:.3f}"
    return [
        f"|{trained}|{num_parameters(enhancer.network) / 1e6:.2f}|{per_second['separator']:.3f}|{thop / 1e9:.3f}|",
        f"|codec {codec.name}, encoder + decoder|{stored / 1e6:.2f}|{codec_macs}||",
        f"|together||{sum(per_second.values()):.3f}||",
        "",
    ]


def _noise(enhancer: AbsEnhancer, seconds: float) -> np.ndarray:
    """Return noise ``(sample,)`` float32."""
    num_samples = round(seconds * enhancer.sample_rate)
    return 0.05 * np.random.default_rng(0).standard_normal(num_samples).astype(np.float32)


def _embedding(enhancer: EmbeddingEnhancer, seconds: float):
    num_frames = enhancer.codec.num_frames(round(seconds * enhancer.codec.sample_rate))
    device = device_of(enhancer.codec)
    embedding = 0.1 * torch.randn(1, num_frames, enhancer.codec.dim, device=device)
    return embedding, torch.tensor([num_frames], device=device)


def _macs_per_second(enhancer: EmbeddingEnhancer, part: str) -> float:
    codec = enhancer.codec

    def run(seconds: int):
        embedding, lengths = _embedding(enhancer, seconds)
        num_samples = seconds * codec.sample_rate
        if part == "encode":
            speech = torch.zeros(1, num_samples, device=embedding.device)
            return codec.encode(speech, torch.tensor([num_samples], device=embedding.device))
        if part == "decode":
            return [codec.decode(embedding, lengths, num_samples) for _ in range(enhancer.num_spk)]
        assert enhancer.separator is not None
        return enhancer.separator(embedding, lengths, {})

    return _gmacs_of_a_second({seconds: partial(run, seconds) for seconds in (1, 2)})


def _gmacs_of_a_second(work: Mapping[int, Callable[[], object]]) -> float:
    """Return the GMAC of one additional second of audio, which excludes padding at the ends.

    Args:
        work: ``{seconds: function that processes them}`` for two lengths.
    """
    short, long = sorted(work)
    return (count_macs(work[long]) - count_macs(work[short])) / (long - short) / 1e9


def _speed_table(model, codec, device, dtypes, batch_sizes, lengths, num_rounds, options) -> list[str]:
    runs = {}
    for dtype in dtypes:
        enhancer = load_enhancer(model, codec, device, dtype, segment_seconds=max(lengths) + 1, **options)
        for batch_size, seconds in product(batch_sizes, lengths):
            batch = [_noise(enhancer, seconds) for _ in range(batch_size)]
            runs[dtype, batch_size, seconds] = not_reading(partial(enhancer.enhance_batch, batch))
    measured = measure_in_turns(runs, device, num_rounds, 1)
    lines = ["|type of number|batch|length, s|real-time factor [fastest, slowest]|memory, MB|", "|---|---|---|---|---|"]
    for (dtype, batch_size, seconds), cost in measured.items():
        factors = [value / (batch_size * seconds) for value in cost.seconds]
        text = f"{statistics.median(factors):.4f} [{min(factors):.4f}, {max(factors):.4f}]"
        lines.append(f"|{dtype}|{batch_size}|{seconds:g}|{text}|{cost.peak_bytes / 1e6:.0f}|")
    return lines


def _training_lines(model: str) -> list[str]:
    speed = read_speed(Path(find_model(model).train_config).parent / "train.log")
    if speed is None:
        return []
    return [
        "## Training",
        "",
        f"{speed.steps_per_second:.3g} steps per second (median of train.log), {100 * speed.waiting_share:.1f} % of "
        "the time spent waiting for data.",
        "",
    ]


def _published_lines(published: Sequence[dict[str, Any]]) -> list[str]:
    if not published:
        return []
    names = list(dict.fromkeys(name for row in published for name in row if name not in ("row", "source")))
    lines = ["## Published", "", f"|system|{'|'.join(names)}|source|", f"|---|{'---|' * (len(names) + 1)}"]
    for row in published:
        lines.append(f"|{row['row']}|{'|'.join(str(row.get(name, '')) for name in names)}|{row['source']}|")
    return lines
