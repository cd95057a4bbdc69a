"""Lengths of the items of a padded batch, and the mask of what belongs to each; networks run without ESPnet's one.

In training, lengths stay on the host: what a network decides by them, such as the number of frames, costs no wait for
the device. The task's collation puts them into each batch; see :mod:`espnet_codecse.task.collation`.
"""

from collections.abc import Mapping
from typing import Any

import torch

HOST_LENGTHS = "_host_lengths"  # end of the names of lists of lengths in a batch


def length_mask(lengths: torch.Tensor, size: int, device: torch.device) -> torch.Tensor:
    """Return ``(batch, size)`` booleans on ``device``: True before each of ``lengths (batch,)``."""
    return torch.arange(size, device=device)[None] < on_device(lengths, device)[:, None]


def on_device(values: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Return ``values`` on ``device``; if they come from the host, it does not wait for the copy."""
    return values.to(device, non_blocking=values.device.type == "cpu")


def on_host(batch: Mapping[str, Any], name: str) -> torch.Tensor:
    """Return the lengths ``(batch,)`` of the entry ``name`` of a batch as a tensor on the CPU.

    Args:
        batch: may hold the list ``<name>_host_lengths`` and the tensor ``<name>_lengths``. Without the list, the host
            waits for a copy of the tensor; without both, all items have the full length.
        name: name of a padded entry, ``(batch, time, ...)``.
    """
    listed = batch.get(name + HOST_LENGTHS)
    if listed is not None:
        return torch.tensor(listed)
    lengths = batch.get(f"{name}_lengths")
    if lengths is None:
        return torch.full((len(batch[name]),), batch[name].shape[1])
    return lengths.cpu()


def has_padding(lengths: torch.Tensor, size: int) -> bool:
    """Return whether any of ``lengths (batch,)`` is below ``size``.

    While ``torch.compile`` captures a network, the answer is yes, as a graph that depends on it would be of one batch.
    """
    return torch.compiler.is_compiling() or int(lengths.min()) < size
