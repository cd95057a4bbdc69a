"""Score a set of utterances: in parallel, resumable, in ESPnet's format."""

import itertools
import math
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from espnet_codecse.audio import read_audio, resample
from espnet_codecse.errors import UserError
from espnet_codecse.fileio import atomic_path, write_scp
from espnet_codecse.job.array import Share, Submit
from espnet_codecse.job.pool import map_unordered
from espnet_codecse.metrics.abs_metric import AbsMetricFamily, Metric, Signals
from espnet_codecse.metrics.registry import family_of, select
from espnet_codecse.metrics.score_inputs import Utterance, check_audio, read_inputs
from espnet_codecse.metrics.score_log import ScoreLog, Scores
from espnet_codecse.metrics.sdr import si_sdr

_LOADED: dict[type, AbsMetricFamily] = {}
Task = tuple[Utterance, tuple[str, ...]]


@dataclass(frozen=True)
class Summary:
    """Result of one metric on a set; the mean is over all speakers and utterances that have a value."""

    metric: str
    mean: float
    num_values: int
    num_nan: int


def _family(metric: str) -> AbsMetricFamily:
    """Return the family of ``metric``, loaded once per process."""
    kind = family_of(metric)
    if kind not in _LOADED:
        family = kind()
        try:
            family.load()
        except ImportError as error:
            raise UserError(f"{metric}: its package cannot be imported ({error}); reinstall it") from None
        _LOADED[kind] = family
    return _LOADED[kind]


def best_permutation(references: Sequence[np.ndarray], estimates: Sequence[np.ndarray]) -> tuple[int, ...]:
    """Return the index of the estimate for each reference, by the largest sum of SI-SDR; if silent, in given order."""
    if len(references) < 2:
        return tuple(range(len(estimates)))
    table = np.array([[si_sdr(reference, estimate) for estimate in estimates] for reference in references])
    table = np.nan_to_num(table, nan=-100.0)
    rows = range(len(references))
    return max(itertools.permutations(rows), key=lambda order: sum(table[row, order[row]] for row in rows))


def score_utterance(task: Task) -> tuple[str, Scores]:
    """Return the scores of one utterance, ``{metric: [value per speaker]}``; None if a score is undefined.

    Scores are undefined if a file contains NaN or infinity. Metrics without a reference are undefined for a silent
    estimate, because their networks rate silence like bad speech.
    """
    utterance, metrics = task
    signals = []
    for path in (*utterance.references, *utterance.estimates, *([utterance.mixture] if utterance.mixture else [])):
        samples, rate = read_audio(path)
        if not np.isfinite(samples).all():
            print(f"score: {path}: holds NaN or infinite samples; its scores are nan", file=sys.stderr)
            return utterance.id, {metric: [None] * len(utterance.estimates) for metric in metrics}
        signals.append(resample(samples[:, 0], rate, utterance.sample_rate or rate))
    rate = utterance.sample_rate or rate
    length = min(len(signal) for signal in signals)
    signals = [signal[:length] for signal in signals]
    mixture = signals.pop() if utterance.mixture else None
    count = len(utterance.references)
    references, estimates = signals[:count], signals[count:]
    order = best_permutation(references, estimates)
    scores: Scores = {metric: [] for metric in metrics}

    @cache
    def resampled(target_rate: int) -> tuple[list[np.ndarray], list[np.ndarray], np.ndarray | None]:
        clean, outputs = (
            [resample(signal, rate, target_rate) for signal in signals] for signals in (references, estimates)
        )
        return clean, outputs, None if mixture is None else resample(mixture, rate, target_rate)

    for kind in dict.fromkeys(family_of(metric) for metric in metrics):
        family = _family(kind.columns[0].name)
        target_rate = kind.columns[0].sample_rate or rate
        clean, outputs, unprocessed = resampled(target_rate)
        for speaker, index in enumerate(order):
            others = tuple(clean[:speaker] + clean[speaker + 1 :])
            reference = clean[speaker] if clean else None
            if not outputs[index].any() and not kind.columns[0].needs_reference:
                values = dict.fromkeys((column.name for column in kind.columns), math.nan)
            else:
                values = family.compute(Signals(outputs[index], target_rate, reference, unprocessed, others))
            for metric, value in values.items():
                if metric in scores:
                    # pystoi adds tiny random numbers; rounding to six decimals makes the results reproducible.
                    scores[metric].append(round(value, 6) if math.isfinite(value) else None)
    return utterance.id, scores


def available(metrics: Sequence[Metric]) -> list[Metric]:
    """Return the metrics that are available here; print one line per family that is unavailable."""
    present, warned = [], set()
    for metric in metrics:
        missing = family_of(metric.name).missing()
        if not missing:
            present.append(metric)
        elif family_of(metric.name) not in warned:
            warned.add(family_of(metric.name))
            names = " ".join(column.name for column in family_of(metric.name).columns)
            print(f"score: {names} left empty, package or network unavailable: {missing}", file=sys.stderr)
    return present


def write_column(output_dir: Path, metric: str, table: dict[str, Scores], num_speakers: int) -> Summary:
    """Write ``<METRIC>_spk<n>`` for each speaker, and ``result_<metric>.txt`` with the mean of all.

    Args:
        output_dir: output folder.
        metric: name of the metric.
        table: ``{utterance: {metric: [value per speaker]}}``; None and missing values are written as nan.
        num_speakers: speakers per utterance.
    """
    values = []
    for speaker in range(num_speakers):
        column = {}
        for utterance, scores in table.items():
            value = scores[metric][speaker] if metric in scores else None
            column[utterance] = "nan" if value is None else repr(value)
            values.append(math.nan if value is None else value)
        write_scp(output_dir / f"{metric}_spk{speaker + 1}", column)
    numbers = np.array(values)
    valid = numbers[~np.isnan(numbers)]
    mean = float(valid.mean()) if len(valid) else math.nan
    with atomic_path(output_dir / f"result_{metric.lower()}.txt") as temporary:
        temporary.write_text(f"{mean:.6g}\n", encoding="utf-8")
    return Summary(metric, mean, len(valid), len(numbers) - len(valid))


def score_set(
    references: Sequence[str],
    estimates: Sequence[str],
    output_dir: Path,
    metrics: Sequence[str],
    nj: int = 1,
    share: Share | None = None,
    submit: Submit | None = None,
    mixtures: str = "",
    sample_rate: int = 0,
) -> list[Summary]:
    """Score estimates against references and write ``<METRIC>_spk<n>`` and ``result_<metric>.txt``.

    Only missing scores, or those whose files have changed, are computed; ``scores.jsonl`` stores them.

    Args:
        references: scp files, folders or audio files, one per speaker; may be empty for metrics without reference.
        estimates: the same, one per speaker.
        output_dir: folder for the results.
        metrics: names of metrics or groups.
        nj: processes.
        share: ``(k, n)``: compute only the k-th of n shares, into its own log, and write no results.
        submit: function that first runs all shares as jobs.
        mixtures: the same of the unprocessed mixtures, for improvements; read only if a metric needs it.
        sample_rate: rate to which all signals are resampled first, Hz, as in papers on 8 kHz audio; 0: no resampling.

    Raises:
        UserError: a metric is unknown, the lists do not match, or audio is unreadable or does not match.
    """
    chosen = select(metrics)
    needing = [metric.name for metric in chosen if metric.needs_reference]
    if needing and not references:
        raise UserError(f"--ref_scp: missing, but needed for {' '.join(needing)}; give it or leave these metrics out")
    comparing = [metric.name for metric in chosen if metric.needs_mixture]
    if comparing and not mixtures:
        raise UserError(f"--mix_scp: missing, but needed for {' '.join(comparing)}; give it or leave these metrics out")
    utterances = read_inputs(references, estimates, mixtures if comparing else "", sample_rate)
    if share is not None:
        utterances = utterances[share[0] - 1 :: share[1]]
    trimmed = [samples for samples in map(check_audio, utterances) if samples]
    if trimmed:
        print(
            f"score: {len(trimmed)} utterances differ in length by up to {max(trimmed)} samples; trimmed",
            file=sys.stderr,
        )
    log = _open_log(output_dir, utterances, share)
    if log.num_damaged:
        print(f"score: {log.num_damaged} damaged lines of earlier scores dropped; scored again", file=sys.stderr)
    if log.num_outdated:
        print(f"score: {log.num_outdated} utterances have changed or disappeared; old scores dropped", file=sys.stderr)
    present = available(chosen)
    absent = [metric for metric in chosen if metric not in present]
    names = [metric.name for metric in present]
    tasks = _tasks(log, utterances, names)
    if len(tasks) < len(utterances):
        num_done = len(utterances) - len(tasks)
        print(f"score: {num_done} of {len(utterances)} utterances skipped (already done)", file=sys.stderr)
    if tasks and submit is not None:
        submit(len(utterances))
        log = _open_log(output_dir, utterances, share)
        tasks = _tasks(log, utterances, names)
    try:
        _run(tasks, log, min(nj, len(tasks)))
    finally:
        log.close()
    if share is not None:
        return []
    shutil.rmtree(output_dir / "parts", ignore_errors=True)  # their scores are in the log now
    table = {item.id: {name: log.scores[item.id][name] for name in names} for item in utterances}
    return [write_column(output_dir, metric.name, table, len(estimates)) for metric in (*present, *absent)]


def _open_log(output_dir: Path, utterances: list[Utterance], share: Share | None) -> ScoreLog:
    """Return the log of all scores, including those of all shares, or the log of one share."""
    signatures = {item.id: item.signature() for item in utterances}
    num_speakers = len(utterances[0].estimates) if utterances else 1
    whole = output_dir / "scores.jsonl"
    if share is None:
        return ScoreLog(whole, signatures, sorted((output_dir / "parts").glob("*.jsonl")), num_speakers)
    part = output_dir / "parts" / f"scores.{share[0]}of{share[1]}.jsonl"
    return ScoreLog(part, signatures, [whole], num_speakers)


def _tasks(log: ScoreLog, utterances: list[Utterance], names: list[str]) -> list[Task]:
    return [(item, tuple(log.missing(item.id, names))) for item in utterances if log.missing(item.id, names)]


def _run(tasks: list[Task], log: ScoreLog, nj: int) -> None:
    start = shown = time.monotonic()
    for number, (utterance, scores) in enumerate(map_unordered(score_utterance, tasks, nj), 1):
        log.add(utterance, scores)
        if time.monotonic() - shown > 5.0 or number == len(tasks):
            shown = time.monotonic()
            pace = (shown - start) / number
            print(f"score: {number} of {len(tasks)} utterances, {pace:.2f} s each", file=sys.stderr, flush=True)
