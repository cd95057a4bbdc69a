"""Estimate disk, memory and time of the stages of a recipe from the amount of data and short probes."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from espnet_codecse.audio import audio_info
from espnet_codecse.benchmark.codec import CodecSpeed
from espnet_codecse.benchmark.probe import StepCost
from espnet_codecse.corpus.segments import read_segments
from espnet_codecse.errors import UserError
from espnet_codecse.fileio import read_counts, read_scp
from espnet_codecse.report.tables import duration

FLAC_BYTES_PER_SAMPLE = 1.1  # of compressed 16-bit speech
READ_FACTOR = 0.002  # seconds to read and check, or resample and write, one second of audio on one core
NUM_HEADERS = 500  # most headers to read if no table has the lengths
ARK_BYTES_PER_SECOND = 2e8  # reading speed of embeddings for the statistics


class SetSize(NamedTuple):
    """Size of a data directory: utterances, seconds per stream, number of streams, whether all have the codec rate."""

    num_utterances: int
    seconds: float
    num_streams: int
    at_rate: bool


class StagePlan(NamedTuple):
    """Estimates of a stage: seconds, bytes written to disk, bytes of memory of all its processes together."""

    stage: int
    name: str
    seconds: float
    disk_bytes: float
    memory_bytes: float


def read_set_size(data_dir: Path, sample_rate: int) -> SetSize:
    """Read the size of a set from ``utt2num_samples`` and ``utt2fs``, or from the headers of some of its recordings.

    Unreadable recordings are ignored here; stage 2 reports and drops them.

    Raises:
        UserError: wav.scp does not exist.
    """
    if not (data_dir / "wav.scp").is_file():
        raise UserError(f"{data_dir / 'wav.scp'}: no such file; run stage 1 first, the plan needs its lists")
    paths = read_scp(data_dir / "wav.scp")
    samples, rates = (
        read_counts(data_dir / name) if (data_dir / name).is_file() else {} for name in ("utt2num_samples", "utt2fs")
    )
    chosen = list(paths)
    if not set(paths) <= set(samples) & set(rates):
        chosen = chosen[:: -(-len(paths) // NUM_HEADERS)]
    seconds, at_rate = 0.0, True
    for utterance in chosen:
        if utterance in samples and rates.get(utterance):
            num_samples, rate = samples[utterance], rates[utterance]
        else:
            try:
                num_samples, rate, _ = audio_info(paths[utterance])
            except UserError:
                continue
        seconds += num_samples / rate
        at_rate = at_rate and rate == sample_rate
    seconds *= len(paths) / max(1, len(chosen))
    num_utterances, segments = len(paths), read_segments(data_dir)
    if segments is not None:
        lengths = [item.end - item.start for item in segments.values() if item.end > 0]
        num_utterances, at_rate = len(segments), False
        seconds = sum(lengths) if len(lengths) == len(segments) else seconds
    return SetSize(num_utterances, seconds, 1 + len(list(data_dir.glob("spk[0-9]*.scp"))), at_rate)


def plan_stages(
    train: Sequence[SetSize],
    test: Sequence[SetSize],
    codec: CodecSpeed,
    step: StepCost,
    scoring: float,
    configuration: dict[str, Any],
    sample_rate: int,
    bytes_per_second: float,
    num_jobs: int,
    stored: bool,
    num_layers: int = 2,
) -> list[StagePlan]:
    """Return the plan of stages 2 to 7.

    Args:
        train: training and validation set.
        test: test sets.
        codec, step: measured cost of the codec and of a training step.
        scoring: seconds that one process needs for one utterance of average length.
        configuration: the training's configuration.
        sample_rate: sample rate of the codec, Hz.
        bytes_per_second: size of stored embeddings per second of one stream.
        num_jobs: parallel parts.
        stored: whether embeddings are stored.
        num_layers: number of layers decoded for each estimate.
    """
    process = 0.5e9  # Python with torch
    streams = sum(size.seconds * size.num_streams for size in train)
    everything = streams + sum(size.seconds * size.num_streams for size in test)
    written = sum(size.seconds * size.num_streams for size in (*train, *test) if not size.at_rate)
    # Stage 6 runs the codec alone on references and mixtures, and the system; each output is decoded once per layer.
    passes = sum(size.seconds * (size.num_streams + 1) for size in test)
    outputs = num_layers * sum(size.seconds * (2 * size.num_streams - 1) for size in test)
    rows = 1 + num_layers * 3
    num_test = sum(size.num_utterances for size in test)
    embedding_bytes = streams * bytes_per_second if stored else 0.0
    steps, epochs = _num_steps(configuration, train[0].num_utterances)
    audio_bytes = FLAC_BYTES_PER_SAMPLE * sample_rate
    stages = [
        StagePlan(2, "format and check", everything * READ_FACTOR / num_jobs, written * audio_bytes, 0.2e9 * num_jobs)
    ]
    if stored:
        encoding = streams * codec.encode / num_jobs
        stages.append(StagePlan(3, "embeddings", encoding, embedding_bytes, num_jobs * (process + codec.peak_bytes)))
        stages.append(StagePlan(4, "statistics", embedding_bytes / ARK_BYTES_PER_SECOND, 0.0, process))
    checkpoints = 3e7 * min(epochs, 3)
    enhancing = (passes * codec.encode + outputs * codec.decode) / num_jobs
    stages += [
        StagePlan(5, "train", steps * step.seconds, checkpoints, 2 * process + step.peak_bytes),
        StagePlan(6, "enhance", enhancing, outputs * audio_bytes, num_jobs * (process + codec.peak_bytes)),
        StagePlan(7, "score", rows * num_test * scoring / num_jobs, 1e3 * rows * num_test, num_jobs * process),
    ]
    return stages


def _num_steps(configuration: dict[str, Any], num_utterances: int) -> "tuple[int, int]":
    epochs = int(configuration.get("max_epoch", 40))
    a_round = max(1, num_utterances // int(configuration.get("batch_size", 20)))
    return epochs * int(configuration.get("num_iters_per_epoch") or a_round), epochs


def format_plan(stages: Sequence[StagePlan], free_bytes: float | None = None) -> list[str]:
    """Return one line per stage, and the total."""
    lines = [f"{'stage':<24}{'time':>10}{'disk':>12}{'memory':>12}"]
    for item in stages:
        name = f"{item.stage}  {item.name}"
        lines.append(
            f"{name:<24}{duration(item.seconds):>10}{_size(item.disk_bytes):>12}{_size(item.memory_bytes):>12}"
        )
    disk = sum(item.disk_bytes for item in stages)
    memory = max(item.memory_bytes for item in stages)
    total = sum(item.seconds for item in stages)
    lines.append(f"{'total':<24}{duration(total):>10}{_size(disk):>12}{_size(memory):>12}")
    if free_bytes is not None and disk > free_bytes:
        lines.append(f"not enough disk: {_size(free_bytes)} free; --embedding_source on_the_fly stores no embeddings")
    return lines


def _size(num_bytes: float) -> str:
    return f"{num_bytes / 1e9:.1f} GB" if num_bytes >= 1e9 else f"{math.ceil(num_bytes / 1e6)} MB"
