"""Cost of scoring a test set: time of each metric, and of the whole set with more processes."""

import heapq
import statistics
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from time import perf_counter

import numpy as np

from espnet_codecse.audio import write_audio
from espnet_codecse.benchmark.timing import measure_in_turns, not_reading
from espnet_codecse.metrics.registry import family_of, select
from espnet_codecse.metrics.score import score_set, score_utterance
from espnet_codecse.metrics.score_inputs import Utterance, read_inputs
from espnet_codecse.report.environment import environment_lines

RATE = 16000  # Hz
NUM_PROCESSES = (1, 2, 4, 8)


def scoring_report(metrics: Sequence[str], num_pairs: int, seconds: float, num_rounds: int, set_size: int) -> str:
    """Score pairs of recordings, and return tables in Markdown.

    Args:
        metrics: names of metrics or groups.
        num_pairs: number of pairs that are measured, of ``seconds`` each.
        seconds: length of a recording.
        num_rounds: rounds over all metrics.
        set_size: number of pairs of the test set whose time is predicted.
    """
    command = f"codecse benchmark scoring --metrics '{' '.join(metrics)}' --num_pairs {num_pairs}"
    command += f" --seconds {seconds:g} --runs {num_rounds} --set_size {set_size}"
    lines = [f"<!-- {command} -->", "# Cost of scoring", "", *environment_lines(), ""]
    with tempfile.TemporaryDirectory() as folder:
        utterances = _write_pairs(Path(folder), num_pairs, seconds)
        lines += _of_metrics(metrics, utterances, num_rounds)
        lines += _of_processes(metrics, utterances, set_size, Path(folder))
    return "\n".join(lines)


def _of_metrics(metrics: Sequence[str], utterances: Sequence[Utterance], num_rounds: int) -> list[str]:
    """Return a table with the time of each family of metrics, in turn."""
    chosen = [metric.name for metric in select(metrics)]
    families = {family_of(name): [other for other in chosen if family_of(other) is family_of(name)] for name in chosen}
    tasks = {" ".join(names): (utterances[0], tuple(names)) for names in families.values()}
    steps = {name: not_reading(partial(score_utterance, task)) for name, task in tasks.items()}
    cost = measure_in_turns(steps, "cpu", num_rounds, 1)
    medians = {name: statistics.median(item.seconds) for name, item in cost.items()}
    lines = ["|metrics|ms a pair|share|", "|---|---|---|"]
    for name, value in medians.items():
        lines.append(f"|{name}|{1000 * value:.1f}|{100 * value / sum(medians.values()):.0f} %|")
    return [*lines, f"|all|{1000 * sum(medians.values()):.1f}||", ""]


def _of_processes(metrics: Sequence[str], utterances: Sequence[Utterance], size: int, folder: Path) -> list[str]:
    """Return a table with the time of a set: measured for the pairs, predicted for a set of ``size`` pairs."""
    names = tuple(metric.name for metric in select(metrics))
    tasks = [_seconds(utterance, names) for utterance in utterances]
    many = [tasks[index % len(tasks)] for index in range(size)]
    one = makespan(many, 1)
    lines = [f"|processes|{len(tasks)} pairs, measured, s|{size} pairs, predicted, min|ideal|", "|---|---|---|---|"]
    for nj in NUM_PROCESSES:
        measured = ""
        if nj <= 2:
            references, estimates = (str(folder / kind) for kind in ("clean", "enhanced"))
            started = perf_counter()
            score_set([references], [estimates], folder / f"scores{nj}", metrics, nj)
            measured = f"{perf_counter() - started:.1f}"
        whole = makespan(many, nj)
        lines.append(f"|{nj}|{measured}|{whole / 60:.1f}|{100 * one / nj / whole:.1f} %|")
    lines += ["", "Predicted: the recorded times of single pairs, each given to the first process that is free."]
    return [*lines, "Measured: with the start of processes and the loading of networks."]


def _seconds(utterance: Utterance, names: tuple[str, ...]) -> float:
    started = perf_counter()
    score_utterance((utterance, names))
    return perf_counter() - started


def makespan(seconds: Sequence[float], num_processes: int) -> float:
    """Return the time at which the last task ends, if each is given to the first process that is free."""
    free = [0.0] * num_processes
    for task in seconds:
        heapq.heapreplace(free, free[0] + task)
    return max(free)


def _write_pairs(folder: Path, num_pairs: int, seconds: float) -> list[Utterance]:
    """Write harmonic sounds in syllables, and the same with noise, which all metrics can score."""
    random = np.random.default_rng(0)
    times = np.arange(round(seconds * RATE)) / RATE
    for index in range(num_pairs):
        phase = 2 * np.pi * np.cumsum(110 + 5 * index + 30 * np.sin(2 * np.pi * 0.7 * times)) / RATE
        voice = sum(np.cos(number * phase) / number for number in range(1, 30))
        clean = 0.05 * voice * np.clip(np.sin(2 * np.pi * 2.0 * times), 0, 1) ** 0.5
        for kind, level in (("clean", 1e-4), ("enhanced", 0.01)):
            signal = clean + level * random.standard_normal(len(times))
            (folder / kind).mkdir(exist_ok=True)
            write_audio(folder / kind / f"{index:04}.wav", signal[:, None].astype(np.float32), RATE)
    return read_inputs([str(folder / "clean")], [str(folder / "enhanced")], "", 0)
