"""Report of the separation benchmark in Markdown."""

import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path

from espnet_codecse.benchmark.random_codecs import save_random_codec
from espnet_codecse.benchmark.separation import Setting, codec_macs, codecformer_macs, sepformer_macs, training_step
from espnet_codecse.benchmark.timing import Cost, measure_in_turns
from espnet_codecse.codec import load_codec
from espnet_codecse.report.environment import environment_lines
from espnet_codecse.task.device import describe_device

TITLES = {
    "codecformer_el_stored": "Codecformer-EL, stored embeddings",
    "codecformer_el_on_the_fly": "Codecformer-EL, embeddings on the fly",
    "codecformer": "Codecformer, loss on waveforms",
    "sepformer": "SepFormer (SpeechBrain)",
}
NOTE = """\
"all products" counts attention; "as thop" counts linear layers and convolutions, as the published figures do: thop
passes over `torch.nn.MultiheadAttention`, and over the codec, whose wrapper in the authors' code is no module. 2 s give
1.52 GMAC with 1024 channels as thop counts, and with 512 channels when attention counts. The published 0.8 GMAC of
Codecformer-EL is most likely the same network on 1 s: the authors' script feeds 8,000 samples at 8 kHz, and separator
and counter are the same as for the published 1.5 of Codecformer. SepFormer's published 77.3 is that of 2 s, as thop
counts."""


def separation_report(
    systems: Sequence[str],
    codec: str | None,
    device: str,
    num_threads: int,
    batch_size: int,
    seconds: float,
    num_rounds: int,
    steps_a_round: int,
    accum_grad: int = 1,
) -> str:
    """Measure and return the whole report.

    Args:
        systems: any of :data:`espnet_codecse.benchmark.separation.SYSTEMS`.
        codec: name or folder; None: DAC at 16 kHz with random weights.
        device, num_threads: torch device, and number of threads for the text.
        batch_size, seconds: number and length of the mixtures.
        num_rounds, steps_a_round: see :func:`measure_in_turns`.
        accum_grad: parts of a batch with a loss on waveforms.
    """
    with tempfile.TemporaryDirectory() as folder:
        name = codec or str(save_random_codec("dac_16khz", Path(folder)))
        setting = Setting(name, device, batch_size, seconds, accum_grad)
        loaded = load_codec(name)
        title = f"{'DAC-16k, random weights' if codec is None else loaded.name}, {loaded.dim} channels"
        costs = _costs("sepformer" in systems, name, title)
        steps = {system: training_step(system, setting, Path(folder)) for system in systems}
        measured = measure_in_turns(steps, device, num_rounds, steps_a_round)
    where = describe_device(device, num_threads)
    options = {"device": device, "num_threads": num_threads, "batch_size": batch_size, "seconds": f"{seconds:g}"}
    options.update({"codec": codec} if codec else {}, rounds=num_rounds, steps=steps_a_round, accum_grad=accum_grad)
    command = " ".join(f"--{name} {value}" for name, value in options.items())
    heading = f"{where}; {batch_size} x {seconds:g} s a step, {num_rounds} rounds of {steps_a_round} steps in turns"
    lines = [f"<!-- codecse benchmark separation {command} --systems {' '.join(systems)} -->"]
    lines += ["# Cost of separation", "", *environment_lines(), "", "## Multiplications", "", *costs, "", NOTE, ""]
    lines += ["## Training", "", f"{heading}.", "", *_training_table(systems, measured, accum_grad)]
    return "\n".join(lines)


def _costs(with_sepformer: bool, codec_name: str, title: str) -> list[str]:
    codec = load_codec(codec_name)
    frames = [codec.num_frames(seconds * codec.sample_rate) for seconds in (1, 2)]
    rows = {title: [codecformer_macs(codec.dim, count) for count in frames]}
    if codec.dim != 512:
        rows["512 channels at 50 Hz, as ESPnet's codecs"] = [codecformer_macs(512, count) for count in (50, 100)]
    rows = {f"Codecformer and -EL, {name}": macs for name, macs in rows.items()}
    extra = {next(iter(rows)): codec_macs(codec_name)}
    if with_sepformer:
        rows["SepFormer, 8 kHz"] = [sepformer_macs(8000), sepformer_macs(16000)]
    lines = [
        "|system|parameters, M|GMAC per second, all products|as thop|GMAC for 2 s, all products|as thop|"
        "per second with the codec|",
        "|---|---|---|---|---|---|---|",
    ]
    for name, (one, two) in rows.items():
        cells = [one.parameters / 1e6, *(value / 1e9 for value in (one.counted, one.as_thop, two.counted, two.as_thop))]
        with_codec = f"{(one.counted + extra[name]) / 1e9:.1f}" if name in extra else ""
        lines.append(f"|{name}|{'|'.join(f'{cell:.2f}' for cell in cells)}|{with_codec}|")
    return lines


def _training_table(systems: Sequence[str], measured: dict[str, Cost], accum_grad: int) -> list[str]:
    slowest = measured.get("codecformer")
    other = measured.get("sepformer")
    lines = [
        "|system|steps per second, median [slowest, fastest]|x Codecformer|x SepFormer|memory at the peak, MB|"
        "waiting for data, %|",
        "|---|---|---|---|---|---|",
    ]
    for system in systems:
        cost = measured[system]
        median = statistics.median(cost.seconds)
        speed = f"{1 / median:.3g} [{1 / max(cost.seconds):.3g}, {1 / min(cost.seconds):.3g}]"
        ratios = [f"{statistics.median(base.seconds) / median:.1f}" if base else "" for base in (slowest, other)]
        lines.append(
            f"|{TITLES[system]}|{speed}|{'|'.join(ratios)}|{cost.peak_bytes / 1e6:.0f}|{100 * cost.reading_share:.1f}|"
        )
    lines += [
        "",
        "Memory is what a step takes above what the process held before it. Embeddings are read by one worker.",
    ]
    if accum_grad > 1:
        lines.append(f"With a loss on waveforms, the gradients of {accum_grad} parts of the batch add up.")
    return lines
