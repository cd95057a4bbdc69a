"""Random values for weights that are zero before training."""

import torch


def randomized(module: torch.nn.Module, std: float = 0.1) -> torch.nn.Module:
    """Give what starts at zero normal random values, since zeros would hide errors, and return the module."""
    for parameter in module.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=std)
    return module
