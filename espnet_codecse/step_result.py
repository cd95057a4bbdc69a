"""What a model returns to ESPnet's trainer."""

from typing import Any

import torch
from espnet2.torch_utils.device_funcs import force_gatherable


def step_result(
    loss: torch.Tensor, stats: dict[str, Any], batch_size: int
) -> tuple[torch.Tensor, dict[str, torch.Tensor], torch.Tensor]:
    """Return ``(loss, stats, batch size)`` as ESPnet's ``force_gatherable`` does: ``(1,)`` on the loss's device.

    ESPnet's function would copy the batch size from the host, which waits for it. Here, the device makes it.
    """
    loss, stats = force_gatherable((loss, stats), loss.device)
    return loss, stats, torch.full((1,), batch_size, dtype=torch.long, device=loss.device)
