"""How much of each branch makes up the input: least squares in closed form."""

import torch

FLOOR = 1e-8  # of the input's energy: what a branch weaker than -80 dB may not be amplified beyond


def branch_scales(
    speech: torch.Tensor, clean: torch.Tensor, noise: torch.Tensor | None, ridge: float = 1e-6
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return ``(alpha, beta)``, each ``(batch, 1)``, that minimise ``|speech - alpha clean - beta noise|^2`` (eq. 1).

    The 2 x 2 normal equations are solved in double precision, and differentiably. The ridge is relative to each
    branch's energy, so that the level of nothing matters; with it two equal branches share the input evenly, and a
    silent one gets zero.

    Args:
        speech, clean, noise: ``(batch, sample)``, zeros after an item's end; noise None: there is one branch, and beta
            is zero.
        ridge: added to the diagonal, in units of a branch's energy.
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
