"""Breakdown of the time of a training step of the dual-branch system: generator, losses, discriminators, spectra."""

import argparse
import statistics
from collections.abc import Callable
from pathlib import Path

import torch

from espnet_codecse.benchmark.macs import num_parameters
from espnet_codecse.benchmark.timing import measure_in_turns, not_reading
from espnet_codecse.dual_branch.adversaries import Pair, discriminator_losses, generator_losses
from espnet_codecse.dual_branch.model import DualBranchModel
from espnet_codecse.report.environment import environment_lines
from espnet_codecse.task.device import describe_device
from espnet_codecse.task.training import read_configuration

NOTE = """\
Each part is measured separately, with its gradients. "spectra" is included in both rows of the discriminators, which
compute spectra once per turn for all networks. "discriminators, their turn" runs only in every
discriminator_interval-th step. A whole step needs more memory than its largest part."""


def dual_branch_report(
    config: Path, device: str, num_threads: int, batch_size: int | None, num_rounds: int, num_steps: int
) -> str:
    """Measure and return the report in Markdown.

    Args:
        config: yaml of a training, written by ``codecse config``.
        device, num_threads: torch device, and number of threads for the text.
        batch_size: recordings per step; None: the configuration's.
        num_rounds, num_steps: rounds over all parts, and runs of each part per round.
    """
    from espnet_codecse.task.dual_branch import DualBranchTask

    configuration = read_configuration(config)
    batch_size = batch_size or configuration["batch_size"]
    names = ("coder_conf", "generator_conf", "discriminator_conf", "reconstruction_conf", "schedule_conf", "model_conf")
    args = argparse.Namespace(codec=configuration.get("codec"), **{name: configuration.get(name, {}) for name in names})
    torch.manual_seed(0)
    model = DualBranchTask.build_model(args).to(device).train()
    num_samples = round(configuration["crop_seconds"] * model.generator.coder.sample_rate)
    parts = _parts(model, 0.05 * torch.randn(batch_size, num_samples, device=device))
    costs = measure_in_turns(parts, device, num_rounds, num_steps)
    medians = {name: statistics.median(cost.seconds) for name, cost in costs.items()}
    share = 1 / model.schedule.discriminator_interval
    weights = {name: share if name.endswith("their turn") else 0.0 if name == "spectra" else 1.0 for name in parts}
    total = sum(weights[name] * seconds for name, seconds in medians.items())
    where = describe_device(device, num_threads)
    lines = [
        "# A training step of dual_branch",
        "",
        *environment_lines(),
        "",
        f"{where}; {config.name}: {batch_size} recordings of {configuration['crop_seconds']:g} s; generator "
        f"{num_parameters(model.generator) / 1e6:.2f} M parameters, discriminators "
        f"{num_parameters(model.discriminators) / 1e6:.2f} M; median of {num_rounds * num_steps} steps.",
        "",
        "|part|time, ms|of a step|memory, MB|",
        "|---|---|---|---|",
    ]
    for name, seconds in medians.items():
        percent = f"{100 * weights[name] * seconds / total:.0f} %" if weights[name] else ""
        lines.append(f"|{name}|{1e3 * seconds:.0f}|{percent}|{costs[name].peak_bytes / 1e6:.0f}|")
    return "\n".join([*lines, f"|a step on average|{1e3 * total:.0f}|100 %||", "", NOTE])


def _parts(model: DualBranchModel, speech: torch.Tensor) -> dict[str, Callable[[], float]]:
    lengths = torch.full((len(speech),), speech.shape[1], device=speech.device)
    ensembles, dtype = list(model.discriminators.ensembles), model.product_dtype(speech.device)
    fake = torch.roll(speech, 1, 0).requires_grad_()
    paired = {"clean": model.supervised, "noise": model.supervised, "noisy": True}
    pairs = {name: Pair(fake, lengths, speech, lengths, paired[name]) for name in ensembles}
    kept = {name: pair._replace(fake=fake.detach()) for name, pair in pairs.items()}
    terms = [name for name in ("clean", "noise", "noisy") if model.weights[name]]

    def generator() -> None:
        branches = model.generator(speech, lengths, dtype)
        (branches.reconstruction().square().mean() + branches.commitment + branches.codebook).backward()

    def reconstruction() -> None:
        sum(model.reconstruction(fake, speech)["loss"] for _ in terms).backward()

    def in_generator_turn() -> None:
        chosen = model.schedule.draw(len(model.discriminators.n_ffts))
        matching = bool(model.weights["feature_matching"])
        losses = generator_losses(model.discriminators, model.adversarial, pairs, chosen, matching, dtype)
        sum(losses.values()).backward()

    def in_own_turn() -> None:
        chosen = model.schedule.draw(len(model.discriminators.n_ffts))
        losses, _ = discriminator_losses(model.discriminators, model.adversarial, kept, chosen, dtype)
        sum(losses.values()).backward()

    def spectra() -> None:
        together = torch.cat([speech] * (2 * len(ensembles)))
        for index in model.schedule.draw(len(model.discriminators.n_ffts)):
            model.discriminators.spectrum(together, model.discriminators.n_ffts[index])

    parts = {"generator": generator, "reconstruction losses": reconstruction}
    if ensembles:
        parts["discriminators, the generator's turn"] = in_generator_turn
        parts["discriminators, their turn"] = in_own_turn
        parts["spectra"] = spectra
    return {name: not_reading(part) for name, part in parts.items()}
