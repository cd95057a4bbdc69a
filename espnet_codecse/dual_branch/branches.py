"""The two branches of the generator: their waveforms, their scales in the input, and their training statistics."""

from typing import NamedTuple

import torch

SIGNALS = ("clean", "noise", "noisy")  # outputs of the branches and their sum, each judged by its own ensemble
FLOOR = 1e-8  # relative to the input's energy; limits the gain of branches weaker than -80 dB


class Branches(NamedTuple):
    """Output of the generator for a batch; the noise is None if there is only one branch.

    Attributes:
        clean, noise: waveforms of the two branches, ``(batch, sample)``.
        alpha, beta: scales of the two branches, ``(batch, 1)``.
        commitment, codebook: losses of the quantisers, summed over the branches.
    """

    clean: torch.Tensor
    noise: torch.Tensor | None
    alpha: torch.Tensor
    beta: torch.Tensor
    commitment: torch.Tensor
    codebook: torch.Tensor

    def reconstruction(self) -> torch.Tensor:
        """Return the estimate of the input, ``alpha clean + beta noise`` (eq. 2)."""
        scaled = self.alpha * self.clean
        return scaled if self.noise is None else scaled + self.beta * self.noise


def branch_scales(
    speech: torch.Tensor, clean: torch.Tensor, noise: torch.Tensor | None, ridge: float = 1e-6
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return ``(alpha, beta)``, each ``(batch, 1)``, that minimise ``|speech - alpha clean - beta noise|^2`` (eq. 1).

    The 2 x 2 normal equations are solved in double precision, and the solution is differentiable. The ridge is relative
    to the energy of each branch, so that levels do not matter. With the ridge, two equal branches share the input
    equally, and a silent branch gets a scale of zero.

    Args:
        speech, clean, noise: ``(batch, sample)``, zero after the end of each item; if noise is None, there is only one
            branch, and beta is zero.
        ridge: value added to the diagonal, relative to the energy of the branch.
    """
    speech, clean = speech.double(), clean.double()
    floor = FLOOR * speech.square().sum(1, keepdim=True) + torch.finfo(torch.float32).tiny
    clean_energy = clean.square().sum(1, keepdim=True)
    a = clean_energy + ridge * (clean_energy + floor) + floor * (clean_energy < floor)
    u = (clean * speech).sum(1, keepdim=True)
    if noise is None:
        alpha = u / a
        return alpha.float(), torch.zeros_like(alpha).float()
    noise = noise.double()
    noise_energy = noise.square().sum(1, keepdim=True)
    d = noise_energy + ridge * (noise_energy + floor) + floor * (noise_energy < floor)
    v = (noise * speech).sum(1, keepdim=True)
    b = (clean * noise).sum(1, keepdim=True)
    determinant = a * d - b.square()
    return ((d * u - b * v) / determinant).float(), ((a * v - b * u) / determinant).float()


def branch_statistics(
    speech: torch.Tensor, branches: Branches, clean: torch.Tensor | None, noise: torch.Tensor | None
) -> dict[str, torch.Tensor]:
    """Return energies, scales and leakage, averaged over the batch.

    ``clean_energy`` and ``noise_energy`` are the energies of the scaled branches relative to the input, in dB; a branch
    at -60 dB has collapsed. ``noise_leakage`` is the correlation of the noise branch with the clean speech,
    ``clean_leakage`` that of the clean branch with the noise; both are in 0 .. 1.

    Args:
        speech: the input ``(batch, sample)``.
        branches: the generator's output for it.
        clean, noise: the components of the input, if known.
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
