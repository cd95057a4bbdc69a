"""Short measurements for the estimate of a recipe's cost."""

import argparse
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
import yaml

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
    from espnet_codecse.task.configuration import needs_waveform_reference
    from espnet_codecse.task.loading import quiet_imports

    with quiet_imports():
        from espnet_codecse.task.enhancement import EmbeddingEnhancementTask
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "train.yaml"
        config.write_text(yaml.safe_dump(configuration))
        parser = EmbeddingEnhancementTask.get_parser()
        args: argparse.Namespace = parser.parse_args(["--config", str(config), "--output_dir", folder])
        args.embedding_stats = None
        model = EmbeddingEnhancementTask.build_model(args).to(device).train()
    codec = model.encoder.codec(torch.device(device))
    batch_size, num_spk = int(args.batch_size), model.num_spk
    num_samples = round(seconds * codec.sample_rate)
    waveforms = 0.05 * torch.randn(num_spk + 1, batch_size, num_samples, device=device)
    lengths = torch.full((batch_size,), num_samples, device=device)
    embeddings = [codec.encode(batch, lengths) for batch in waveforms] if stored else []
    names = ["speech_mix", *(f"speech_ref{index + 1}" for index in range(num_spk))]
    batch: dict[str, torch.Tensor] = {}
    for index, name in enumerate(names):
        as_waveform = not stored or (index > 0 and needs_waveform_reference(configuration))
        batch[name], batch[f"{name}_lengths"] = (waveforms[index], lengths) if as_waveform else embeddings[index]
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)

    def step() -> float:
        optimizer.zero_grad(set_to_none=True)
        model(**batch)[0].backward()
        optimizer.step()
        return 0.0

    cost = measure_in_turns({"step": step}, device, 2, 1)["step"]
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
