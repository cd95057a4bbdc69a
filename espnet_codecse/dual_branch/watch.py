"""What shows a collapse of the branches while they train."""

import torch

from espnet_codecse.dual_branch.generator import Branches


def branch_statistics(
    speech: torch.Tensor, branches: Branches, clean: torch.Tensor | None, noise: torch.Tensor | None
) -> dict[str, torch.Tensor]:
    """Return energies, scales and leakage, means over the batch.

    ``clean_energy`` and ``noise_energy`` are those of the scaled branches relative to the input, dB; a branch at -60
    has given up. ``noise_leakage`` is the correlation of the noise branch with the clean speech, ``clean_leakage`` that
    of the clean branch with the noise, both 0 .. 1.

    Args:
        speech: the input ``(batch, sample)``.
        branches: what the generator made of it.
        clean, noise: what the input consists of, where known.
    """
    scaled = {"clean": branches.alpha * branches.clean}
    values = {"alpha": branches.alpha}
    if branches.noise is not None:
        scaled["noise"] = branches.beta * branches.noise
        values["beta"] = branches.beta
    energy = speech.square().sum(1) + 1e-10
    for name, signal in scaled.items():
        values[f"{name}_energy"] = 10 * (signal.square().sum(1) / energy + 1e-10).log10()
    if noise is not None:
        values["clean_leakage"] = _correlation(scaled["clean"], noise)
    if clean is not None and branches.noise is not None:
        values["noise_leakage"] = _correlation(scaled["noise"], clean)
    return {name: value.detach().float().mean() for name, value in values.items()}


def _correlation(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    product = (first * second).sum(1).abs()
    return product / (first.square().sum(1) * second.square().sum(1)).sqrt().clamp(min=1e-10)
