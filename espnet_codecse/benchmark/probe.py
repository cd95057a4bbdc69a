"""Short measurements for the estimate of a recipe's cost."""

import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from espnet_codecse.benchmark.steps import Training
from espnet_codecse.benchmark.timing import measure_in_turns

PROBE_SECONDS = 4.0  # of audio


class StepCost(NamedTuple):
    """Seconds and bytes of one training step."""

    seconds: float
    peak_bytes: int


def training_step_cost(configuration: dict[str, Any], device: str, stored: bool, seconds: float) -> StepCost:
    """Measure training steps of the configuration's network and losses on noise.

    Args:
        configuration: configuration written by ``codecse config``.
        device: torch device.
        stored: train on embeddings instead of waveforms, as far as the losses allow it.
        seconds: length of a mixture, from the configuration's crops or from the data.
    """
    training = Training(configuration)
    training.to(device)
    batch, _ = training.batch(int(training.args.batch_size), seconds, stored)
    cost = measure_in_turns({"step": training.step(batch)}, device, 2, 1)["step"]
    return StepCost(statistics.median(cost.seconds), cost.peak_bytes)


def scoring_seconds(metrics: Sequence[str], sample_rate: int) -> float:
    """Return the seconds that one process needs to score :data:`PROBE_SECONDS` of audio, without loading packages."""
    import time

    import numpy as np

    from espnet_codecse.audio import write_audio
    from espnet_codecse.metrics.registry import select
    from espnet_codecse.metrics.score import available, score_utterance
    from espnet_codecse.metrics.score_inputs import Utterance

    names = tuple(metric.name for metric in available(select(metrics)) if not metric.needs_mixture)
    with tempfile.TemporaryDirectory() as folder:
        rng = np.random.default_rng(0)
        clean = 0.1 * np.sin(np.arange(round(PROBE_SECONDS * sample_rate)) * 0.05) * (rng.random(1) + 0.5)
        files: list[str] = []
        for name, noise in (("clean", 0.001), ("noisy", 0.03)):
            files.append(str(Path(folder) / f"{name}.flac"))
            speech = (clean + noise * rng.standard_normal(len(clean))).astype(np.float32)
            write_audio(Path(files[-1]), speech, sample_rate)
        task = (Utterance("probe", (files[0],), (files[1],)), names)
        score_utterance(task)
        started = time.perf_counter()
        score_utterance(task)
        return time.perf_counter() - started
