"""A GPU that is not there: tensors with values on the CPU whose device is another, and what would make a host wait.

On a GPU, operations are queued, and the host runs ahead. It waits where it needs a value (``.item()``, ``bool``,
``int``, ``.tolist()``), where a shape depends on values (``nonzero``, indexing with a mask), and where memory is copied
between both without ``non_blocking``, such as in ``torch.tensor([1], device="cuda")``. :class:`PretendGPU` runs every
operation on the CPU, records all of these with the place that caused them, and refuses operations on tensors of both
devices, as a GPU does. A process has at most one such device, which torch takes for its accelerator: use a process of
its own.
"""

import sys
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch.utils._mode_utils import no_dispatch
from torch.utils._python_dispatch import TorchDispatchMode, _get_current_dispatch_mode
from torch.utils._pytree import tree_flatten, tree_map
from torch.utils.backend_registration import _DummyBackendModule, _setup_privateuseone_for_python_backend

NAME = "pretend_gpu"
CPU = torch.device("cpu")
aten = torch.ops.aten
SITE_PACKAGES = Path(torch.__file__).resolve().parents[1]
# Shapes of results, or errors, that depend on values.
DATA_DEPENDENT = {
    aten.nonzero.default, aten.masked_select.default, aten._unique2.default, aten.unique_consecutive.default,
    aten.bincount.default, aten.equal.default, aten.repeat_interleave.Tensor, aten.argwhere.default,
    aten._linalg_check_errors.default,
}  # fmt: skip
INDEXING = {aten.index.Tensor, aten.index_put.default, aten.index_put_.default, aten._index_put_impl_.default}


def _lstm_cell(from_input, from_hidden, cell, input_bias=None, hidden_bias=None):
    """Compute ``_thnn_fused_lstm_cell``, which a CPU does not have."""
    gates = from_input + from_hidden + (0 if input_bias is None else input_bias + hidden_bias)
    enter, forget, new, leave = gates.chunk(4, 1)
    enter, forget, new, leave = enter.sigmoid(), forget.sigmoid(), new.tanh(), leave.sigmoid()
    after = forget * cell + enter * new
    return leave * after.tanh(), after, torch.cat([enter, forget, new, leave], 1)


def _lstm_cell_backward(grad_hidden, grad_cell, cell, after, gates, has_bias):
    enter, forget, new, leave = gates.chunk(4, 1)
    grad_hidden = torch.zeros_like(after) if grad_hidden is None else grad_hidden
    squashed = after.tanh()
    grad = grad_hidden * leave * (1 - squashed.square()) + (0 if grad_cell is None else grad_cell)
    grads = [grad * new * enter * (1 - enter), grad * cell * forget * (1 - forget), grad * enter * (1 - new.square())]
    together = torch.cat([*grads, grad_hidden * squashed * leave * (1 - leave)], 1)
    return together, grad * forget, together.sum(0) if has_bias else None


KERNELS = {
    aten._thnn_fused_lstm_cell.default: _lstm_cell,
    aten._thnn_fused_lstm_cell_backward_impl.default: _lstm_cell_backward,
}


class Wait(NamedTuple):
    """One wait of the host.

    Attributes:
        kind: name of the operation; ``to_gpu`` and ``to_cpu`` are copies.
        file, function: innermost place outside torch; the path is relative to the repository or to site-packages.
    """

    kind: str
    file: str
    function: str


class GPUTensor(torch.Tensor):
    """A tensor on the device :data:`NAME`; its values are in ``values``, on the CPU."""

    values: torch.Tensor

    @staticmethod
    def __new__(cls, values: torch.Tensor):
        """Wrap ``values``."""
        made = torch.Tensor._make_wrapper_subclass(
            cls,
            values.size(),
            strides=values.stride(),
            storage_offset=values.storage_offset(),
            dtype=values.dtype,
            layout=values.layout,
            device=torch.device(NAME, 0),
        )
        made.values = values
        return made

    def __repr__(self) -> str:
        return f"GPUTensor({self.values!r})"

    __torch_function__ = torch._C._disabled_torch_function_impl

    def tolist(self) -> Any:
        """Copy the values; torch does not dispatch it."""
        _get_current_dispatch_mode().note("tolist")
        return self.values.tolist()

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        """Only within a :class:`PretendGPU`."""
        raise RuntimeError(f"{func}: the GPU is not there outside PretendGPU")


class _Backend(_DummyBackendModule):
    """What torch asks of an accelerator's module."""

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        """Return the types of autocast."""
        return [torch.bfloat16, torch.float16]


_LIBRARIES: list[torch.library.Library] = []  # what a library registers lasts as long as it


@cache
def _register() -> None:
    _setup_privateuseone_for_python_backend(NAME, _Backend())
    library = torch.library.Library("_", "IMPL")
    library.fallback(torch.library.fallthrough_kernel, "AutocastPrivateUse1")
    _LIBRARIES.append(library)


class PretendGPU(TorchDispatchMode):
    """Run what happens within this context as if there were a GPU, and record waits of the host in ``waits``."""

    def __init__(self):
        super().__init__()
        self.waits: list[Wait] = []

    def __enter__(self) -> "PretendGPU":
        _register()
        torch._C._set_only_lift_cpu_tensors(True)  # torch.tensor(..., device=...) becomes a copy, which is seen here
        torch.autograd.set_multithreading_enabled(False)
        return super().__enter__()

    def __exit__(self, *exception: Any) -> None:
        super().__exit__(*exception)
        torch._C._set_only_lift_cpu_tensors(False)
        torch.autograd.set_multithreading_enabled(True)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        """Run ``func`` on the values."""
        kwargs = dict(kwargs or {})
        tensors = [item for item in tree_flatten((args, kwargs))[0] if isinstance(item, torch.Tensor)]
        on_gpu = any(isinstance(item, GPUTensor) for item in tensors)
        target = kwargs.get("device")
        self._note_waits(func, args, kwargs, tensors, on_gpu)
        if target is not None:
            kwargs["device"] = CPU
        values = KERNELS.get(func, func)(*tree_map(_values, args), **tree_map(_values, kwargs))
        result_on_gpu = on_gpu if target is None else torch.device(target).type == NAME
        written = _written_argument(func, args, kwargs)
        if written is not None:
            if torch.Tag.inplace_view in func.tags:
                with no_dispatch():
                    func(*args, **kwargs)  # the shape of the wrapper
            return written
        if func is aten._local_scalar_dense.default or not result_on_gpu:
            return values
        return tree_map(lambda item: GPUTensor(item) if isinstance(item, torch.Tensor) else item, values)

    def _note_waits(self, func, args, kwargs, tensors, on_gpu: bool) -> None:
        if func is aten._to_copy.default and kwargs.get("device") is not None:
            kind = torch.device(kwargs["device"]).type
            if on_gpu != (kind == NAME) and not kwargs.get("non_blocking"):
                self.note("to_cpu" if on_gpu else "to_gpu")
        elif func is aten.copy_.default:
            target, source = (isinstance(item, GPUTensor) for item in args[:2])
            blocking = not (args[2] if len(args) > 2 else kwargs.get("non_blocking"))
            if target != source and blocking:
                self.note("to_gpu" if target else "to_cpu")
        elif on_gpu:
            if func in DATA_DEPENDENT or func is aten._local_scalar_dense.default:
                self.note(func.overloadpacket.__name__)
            elif func in INDEXING:
                self._note_index([item for item in args[1] if item is not None])
            elif any(not isinstance(item, GPUTensor) and item.dim() for item in tensors):
                raise RuntimeError(f"{func}: tensors are on the GPU and on the CPU")

    def _note_index(self, index: list[torch.Tensor]) -> None:
        for item in index:
            if item.dtype in (torch.bool, torch.uint8):
                self.note("index_by_mask")
            elif not isinstance(item, GPUTensor):
                self.note("to_gpu")

    def note(self, kind: str) -> None:
        """Record a wait."""
        frame = sys._getframe(1)
        torch_folder = str(SITE_PACKAGES / "torch") + "/"
        while frame.f_back is not None and frame.f_code.co_filename.startswith((__file__, torch_folder, "<")):
            frame = frame.f_back
        path = Path(frame.f_code.co_filename)
        for root in (SITE_PACKAGES, Path(__file__).resolve().parents[2]):
            if path.is_relative_to(root):
                path = path.relative_to(root)
        self.waits.append(Wait(kind, str(path), frame.f_code.co_name))


def _values(item: Any) -> Any:
    return item.values if isinstance(item, GPUTensor) else item


def _written_argument(func, args, kwargs) -> Any:
    """Return the argument that ``func`` writes into and returns; None: it returns something else."""
    returned = [item.alias_info for item in func._schema.returns]
    if len(returned) != 1 or returned[0] is None or not returned[0].is_write:
        return None
    for index, argument in enumerate(func._schema.arguments):
        if argument.alias_info is not None and argument.alias_info.is_write:
            return args[index] if index < len(args) else kwargs.get(argument.name)
    return None
