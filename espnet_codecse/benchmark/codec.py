"""Parameters and real-time factors of a codec's parts, and how much of its accuracy a faster data type keeps."""

import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from espnet_codecse.benchmark.random_codecs import save_random_codec
from espnet_codecse.benchmark.timing import measure_in_turns, not_reading
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
    return codec_speeds({"": codec}, device, seconds, num_runs)[""]


def codec_speeds(codecs: Mapping[str, AbsCodec], device: str, seconds: float, num_runs: int) -> dict[str, CodecSpeed]:
    """Measure the parts of all ``codecs``, which have the same sample rate, in turn; see :func:`codec_speed`."""
    steps: dict[tuple[str, str], Callable[[], float]] = {}
    for name, codec in codecs.items():
        num_samples = codec.num_frames(round(seconds * codec.sample_rate)) * codec.hop
        for part, function in _parts(codec, num_samples, device).items():
            steps[name, part] = not_reading(function)
    with torch.no_grad():
        cost = measure_in_turns(steps, device, num_runs, 1)
    speeds = {}
    for name, codec in codecs.items():
        factors = {
            part: statistics.median(cost[name, part].seconds) * codec.sample_rate / num_samples
            for part in ("encode", "quantize", "decode")
        }
        speeds[name] = CodecSpeed(**factors, peak_bytes=cost[name, "encode"].peak_bytes)
    return speeds


def _noise(num_samples: int, device: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a batch of one signal, the same in every call, and its length."""
    speech = 0.05 * torch.randn(1, num_samples, generator=torch.Generator().manual_seed(0))
    return speech.to(device), torch.tensor([num_samples], device=device)


def _parts(codec: AbsCodec, num_samples: int, device: str) -> dict[str, Callable[[], Any]]:
    """Return what encodes, quantises and decodes the same noise for every codec."""
    speech, lengths = _noise(num_samples, device)
    with torch.no_grad():
        embedding, frame_lengths = codec.encode(speech, lengths)
    return {
        "encode": lambda: codec.encode(speech, lengths)[0],
        "quantize": lambda: codec.quantize(embedding),
        "decode": lambda: codec.decode(embedding, frame_lengths, num_samples),
    }


def agreement(codec: AbsCodec, exact: AbsCodec, device: str, seconds: float) -> tuple[float, float]:
    """Return the SNR in dB of the embedding and of the decoded signal of ``codec`` to those of ``exact``."""
    num_samples = round(seconds * codec.sample_rate)
    speech, lengths = _noise(num_samples, device)
    with torch.no_grad():
        wanted, frame_lengths = exact.encode(speech, lengths)
        pairs = [
            (wanted, codec.encode(speech, lengths)[0]),
            tuple(one.decode(wanted, frame_lengths, num_samples) for one in (exact, codec)),
        ]
    first, second = (float(10 * torch.log10(a.square().sum() / (a - b).square().sum())) for a, b in pairs)
    return first, second


def report(
    names: Sequence[str],
    random: Sequence[str],
    dtypes: Sequence[str],
    device: str,
    num_threads: int,
    seconds: float,
    num_runs: int,
) -> str:
    """Measure one codec after another, and return a table in Markdown.

    Args:
        names: values of ``--codec``.
        random: codecs of :data:`espnet_codecse.benchmark.random_codecs.BUILDERS` to measure with random weights.
        dtypes: data types of matrix products, measured in turn; see :func:`espnet_codecse.codec.load_codec`.
        device: torch device.
        num_threads: number of torch threads, for the text.
        seconds, num_runs: see :func:`codec_speed`.
    """
    command = f"codecse benchmark codec --codec {' '.join(map(codec_label, names))}"
    command += f" --random {' '.join(random)}" if random else ""
    command += f" --codec_dtypes {' '.join(dtypes)}"
    command += f" --device {device} --num_threads {num_threads} --seconds {seconds:g} --runs {num_runs}"
    where = describe_device(device, num_threads)
    lines = [f"<!-- {command} -->", "# Cost of codecs", "", *environment_lines(), ""]
    lines += [f"Real-time factors on {where}; medians of {num_runs} runs on {seconds:g} s, data types in turn.", ""]
    lines += ["|codec|parameters, M|Hz|hop|channels|products|encode|quantise|decode|memory to encode, MB|SNR, dB|"]
    lines += ["|---|---|---|---|---|---|---|---|---|---|---|"]
    for name in names:
        lines += _lines(name, codec_label(name), dtypes, device, seconds, num_runs)
    for name in random:
        with tempfile.TemporaryDirectory() as folder:
            source = str(save_random_codec(name, Path(folder)))
            lines += _lines(source, f"{name}, random weights", dtypes, device, seconds, num_runs)
    if len(dtypes) > 1:
        lines += ["", "SNR: of the embedding, and of the signal decoded from the same embedding, to those in float32."]
    return "\n".join(lines)


def _lines(name: str, label: str, dtypes: Sequence[str], device: str, seconds: float, num_runs: int) -> list[str]:
    """Return a line for each data type that the codec has."""
    codecs = {str(codec.product_dtype): codec for codec in (load_codec(name, device, dtype) for dtype in dtypes)}
    exact = load_codec(name, device)
    lines = []
    for dtype, speed in codec_speeds(codecs, device, seconds, num_runs).items():
        codec = codecs[dtype]
        # In some codecs the codebooks are buffers, so buffers are counted too.
        parameters = sum(value.numel() for value in codec.state_dict().values())
        cells = [label, f"{parameters / 1e6:.2f}", codec.sample_rate, codec.hop, codec.dim, dtype.split(".")[1]]
        cells += [f"{value:.4f}" for value in (speed.encode, speed.quantize, speed.decode)]
        cells += [f"{speed.peak_bytes / 1e6:.0f}"]
        same = codec.product_dtype == exact.product_dtype
        cells += ["" if same else "{:.1f}, {:.1f}".format(*agreement(codec, exact, device, seconds))]
        lines.append(f"|{'|'.join(map(str, cells))}|")
    return lines
