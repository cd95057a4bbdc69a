"""The mask of what belongs to each item of a padded batch; ESPnet has one too, which the networks must run without."""

import torch


def length_mask(lengths: torch.Tensor, size: int, device: torch.device) -> torch.Tensor:
    """Return ``(batch, size)`` booleans on ``device``: True before each of ``lengths (batch,)``."""
    return torch.arange(size, device=device)[None] < lengths.to(device)[:, None]
