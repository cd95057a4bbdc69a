"""Quality of models beside that of peers, on pairs of noisy and clean recordings, in one table from one run."""

import json
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import soundfile

from espnet_codecse.audio import read_audio, write_audio
from espnet_codecse.benchmark.peers import PEERS
from espnet_codecse.errors import UserError
from espnet_codecse.fileio import atomic_path, file_stem, read_scp
from espnet_codecse.metrics.score import score_set
from espnet_codecse.metrics.score_inputs import read_table
from espnet_codecse.recording.one import enhance_recording
from espnet_codecse.report.bootstrap import mean_interval
from espnet_codecse.report.environment import environment_lines
from espnet_codecse.report.tables import number, table
from espnet_codecse.zoo.load import load_enhancer

NOISY = "noisy"
NOTE = """\
Values are means with 95 % bootstrap intervals over recordings. The real-time factor is that of this run, one recording
after the other on {num_threads} thread{s}, with reading and writing. A model whose training losses contain a surrogate
of a metric is flattered by that metric; its card says which."""

Process = Callable[[Path, Path], None]


def quality_report(
    noisy: str,
    clean: str,
    models: Sequence[str],
    peers: Sequence[str],
    metrics: Sequence[str],
    output_dir: Path,
    num_threads: int,
    nj: int,
) -> str:
    """Enhance and score, and return the report. What an earlier run completed is not done again.

    Args:
        noisy, clean: scp files or folders; recordings are paired by their names.
        models: values of ``--model``.
        peers: keys of :data:`PEERS`.
        metrics: names of metrics.
        output_dir: folder for the enhanced recordings and the scores.
        num_threads: threads of this process, for the text.
        nj: processes that score.

    Raises:
        UserError: recordings have no counterpart or are unreadable, or a model or peer is unavailable.
    """
    recordings = read_table(noisy)
    if not recordings:
        raise UserError(f"{noisy}: no recordings; give a folder or an scp file")
    systems: dict[str, Callable[[], Process]] = {name: partial(_model, name) for name in models}
    systems.update({PEERS[name].title: partial(_peer, name) for name in peers})
    scores = {NOISY: _scores(clean, noisy, noisy, output_dir / "scores" / NOISY, metrics, nj)}
    factors = {NOISY: ""}
    for title, load in systems.items():
        folder = output_dir / "enhanced" / file_stem(title)
        factors[title] = f"{_enhance(recordings, folder, load):.4f}"
        scores[title] = _scores(clean, str(folder), noisy, output_dir / "scores" / file_stem(title), metrics, nj)
    lines = ["# Quality beside others", "", *environment_lines(), ""]
    lines += [f"{len(recordings)} recordings of {noisy}", ""]
    rows = [
        [title, factors[title], *(number(metric, mean_interval(column)) for metric, column in columns.items())]
        for title, columns in scores.items()
    ]
    lines += table(["system", "real-time factor", *scores[NOISY]], rows)
    first, *others = systems
    if others:
        lines += [f"{first} less the others, by recording:", ""]
        rows = [
            [
                other,
                *(number(m, mean_interval(scores[first][m] - scores[other][m]), signed=True) for m in scores[NOISY]),
            ]
            for other in others
        ]
        lines += table(["other", *scores[NOISY]], rows)
    lines.append(NOTE.format(num_threads=num_threads, s="s" if num_threads > 1 else ""))
    return "\n".join(lines)


def _model(name: str) -> Process:
    enhancer = load_enhancer(name)
    if enhancer.num_spk > 1:
        raise UserError(f"--models {name}: separates speakers; this comparison is for enhancement")

    def process(source: Path, target: Path) -> None:
        enhance_recording(enhancer, source, target)

    return process


def _peer(name: str) -> Process:
    enhance = PEERS[name].load()

    def process(source: Path, target: Path) -> None:
        samples, rate = read_audio(source)
        write_audio(target, np.stack([enhance(channel, rate) for channel in samples.T], axis=1), rate)

    return process


def _enhance(recordings: dict[str, str], folder: Path, load: Callable[[], Process]) -> float:
    """Enhance what is missing, and return the real-time factor of all recordings, also of those of an earlier run."""
    folder.mkdir(parents=True, exist_ok=True)
    record = folder / ".seconds.json"
    seconds = json.loads(record.read_text()) if record.is_file() else {}
    todo = [name for name in recordings if name not in seconds or not (folder / f"{name}.wav").is_file()]
    if todo:
        process = load()
        process(Path(recordings[todo[0]]), folder / f"{todo[0]}.wav")  # a first call costs more
    for name in todo:
        started = time.perf_counter()
        process(Path(recordings[name]), folder / f"{name}.wav")
        seconds[name] = time.perf_counter() - started
        with atomic_path(record) as temporary:
            temporary.write_text(json.dumps(seconds))
    audio = sum(soundfile.info(folder / f"{name}.wav").duration for name in recordings)
    return sum(seconds[name] for name in recordings) / audio


def _scores(
    clean: str, estimates: str, noisy: str, folder: Path, metrics: Sequence[str], nj: int
) -> dict[str, np.ndarray]:
    """Return ``{metric: (recording,)}``, in the order of the recordings' names."""
    summaries = score_set([clean], [estimates], folder, metrics, nj, mixtures=noisy)
    columns = {item.metric: read_scp(folder / f"{item.metric}_spk1") for item in summaries if item.num_values}
    return {name: np.array([float(column[key]) for key in sorted(column)]) for name, column in columns.items()}
