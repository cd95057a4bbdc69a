"""ESPnet's collation with the lengths of a batch as numbers on the host."""

from collections.abc import Callable, Collection
from typing import Any

import numpy as np

from espnet_codecse.length_mask import HOST_LENGTHS

Items = Collection[tuple[str, dict[str, np.ndarray]]]
LENGTHS = "_lengths"


class HostLengths:
    """Add the lengths of each entry as a list, which ESPnet's trainer leaves on the host.

    Args:
        collate: ESPnet's function, which pads and stacks the items.
    """

    def __init__(self, collate: Callable[[Items], tuple[list[str], dict[str, Any]]]):
        self.collate = collate

    def __call__(self, items: Items) -> tuple[list[str], dict[str, Any]]:
        """Return ``(names, batch)`` with ``<name>_host_lengths``, which ESPnet's chunk iterator drops."""
        names, batch = self.collate(items)
        lengths = {
            name.removesuffix(LENGTHS) + HOST_LENGTHS: value.tolist()
            for name, value in batch.items()
            if name.endswith(LENGTHS)
        }
        return names, {**batch, **lengths}
