"""The power of spectra, as losses on them need it."""

import torch


def power(spectrum: torch.Tensor) -> torch.Tensor:
    """Return the squared magnitude of a complex spectrum of any shape; its gradient is finite at zero."""
    return spectrum.real.square() + spectrum.imag.square()
