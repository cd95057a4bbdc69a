"""Find code in a training step that makes the host wait for the GPU: PyTorch's sync debug mode, for our code only."""

from collections.abc import Callable, Sequence
from typing import Any

import torch

MODES = ("none", "warn", "error")


def add_step_options(group) -> None:
    """Add ``--sync_debug`` to a parser or its group."""
    group.add_argument("--sync_debug", choices=MODES, default="none", help="Report waits for the GPU in a step")


class SyncDebug:
    """Set the mode in the model's forward pass, in the backward pass and in the optimisers, and reset it in between.

    ESPnet's trainer itself reads losses and the norm of gradients in every step, which would hide the model's waits in
    warnings, or stop the training. Each optimiser takes one step before the first check, because in a first step
    libraries move constants to the device.

    Args:
        mode: ``warn`` or ``error``.
        set_mode: function that sets the mode ``default``, ``warn`` or ``error``; default: PyTorch's.
    """

    def __init__(self, mode: str, set_mode: Callable[[str], None] | None = None):
        self.mode, self._set_mode = mode, set_mode or torch.cuda.set_sync_debug_mode
        self._waiting_for: set[int] = set()

    def attach(self, model: torch.nn.Module, optimizers: Sequence[torch.optim.Optimizer]) -> None:
        """Watch the steps of a training."""
        self._waiting_for = {id(optimizer) for optimizer in optimizers}
        model.register_forward_pre_hook(self._before_forward)
        model.register_forward_hook(self._after_forward)
        for optimizer in optimizers:
            optimizer.register_step_pre_hook(lambda *_: self._start())
            optimizer.register_step_post_hook(self._after_step)

    def _start(self) -> None:
        if not self._waiting_for:
            self._set_mode(self.mode)

    def _stop(self) -> None:
        self._set_mode("default")

    def _before_forward(self, model: torch.nn.Module, args: Any) -> None:
        if model.training:
            self._start()

    def _after_forward(self, model: torch.nn.Module, args: Any, result: Any) -> None:
        self._stop()
        loss = result["loss"] if isinstance(result, dict) else result[0]
        if model.training and loss.requires_grad:
            loss.register_hook(self._before_backward)

    def _before_backward(self, gradient: torch.Tensor) -> None:
        self._start()
        torch.autograd.Variable._execution_engine.queue_callback(self._stop)

    def _after_step(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        self._stop()
        self._waiting_for.discard(id(optimizer))
