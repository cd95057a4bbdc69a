"""The value of a counter that is a buffer of a module, without a wait for the device in every step."""

from typing import Any

import torch


class HostValue:
    """Remember the value of a tensor of one element; it is read again only after others have changed the tensor."""

    def __init__(self):
        self._tensor: Any = None
        self._version = -1
        self._value = 0

    def read(self, tensor: torch.Tensor) -> int:
        """Return the value of ``tensor``."""
        if self._tensor is not tensor or self._version != tensor._version:
            self._remember(tensor, int(tensor))
        return self._value

    def add(self, tensor: torch.Tensor, number: int) -> None:
        """Add ``number`` to ``tensor`` in place."""
        value = self.read(tensor) + number
        tensor += number
        self._remember(tensor, value)

    def _remember(self, tensor: torch.Tensor, value: int) -> None:
        self._tensor, self._version, self._value = tensor, tensor._version, value

    def __deepcopy__(self, memo: dict) -> "HostValue":
        """Return one that remembers nothing: the copy of a module has buffers of its own."""
        return HostValue()
