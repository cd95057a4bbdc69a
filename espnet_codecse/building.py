"""Building networks from configurations that nobody has checked: bounded in size, and with one line if it fails."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from espnet_codecse.errors import UserError

MAX_WEIGHT_BYTES = 2_000_000_000  # the largest model that the package loads, a WavLM-Large, has 1.3 GB
MAX_PARTS = 10_000  # modules (created and registered), parameters and buffers; that model has about 3000


@contextmanager
def building(what: str, remedy: str) -> Iterator[None]:
    """Limit the size of the networks that are built within this context, and turn what is raised into a UserError.

    Args:
        what: beginning of the message: the file, and what cannot be built.
        remedy: end of the message.

    Raises:
        UserError: the configuration is damaged, or describes a network that is too large.
    """
    with _bounded(what):
        try:
            yield
        except (UserError, ImportError):
            raise
        except (
            Exception
        ) as error:  # ESPnet and torch raise whatever an unchecked value leads to, typeguard its own types
            reason = " ".join(str(error).split())[:200]
            raise UserError(f"{what} ({type(error).__name__}: {reason}); {remedy}") from None


@contextmanager
def _bounded(what: str) -> Iterator[None]:
    import torch
    from torch.nn.modules import module as torch_module

    num_bytes, num_parts = 0, 0

    def count(owner: Any, name: str, part: Any) -> None:
        # torch calls this when a weight is allocated but not yet initialised: until then it takes no memory.
        nonlocal num_bytes, num_parts
        num_parts += 1
        # Weights that are not yet materialised have no size.
        num_bytes += getattr(part, "nbytes", 0) if type(part).__name__ in ("Tensor", "Parameter") else 0
        if num_bytes > MAX_WEIGHT_BYTES or num_parts > MAX_PARTS:
            limit = f"{MAX_WEIGHT_BYTES / 1e9:.0f} GB of weights in {MAX_PARTS} parts"
            raise UserError(f"{what} (the configuration describes more than {limit}); refused")

    # torch's transformers make their layers as copies, which are not registered one by one.
    copy_parameter = torch.nn.Parameter.__deepcopy__

    def counted_copy(parameter: torch.nn.Parameter, memo: dict) -> torch.nn.Parameter:
        count(None, "", parameter)
        return copy_parameter(parameter, memo)

    def counting(method: Callable[..., None]) -> Callable[..., None]:
        def counted(module: torch.nn.Module, *args: Any, **kwargs: Any) -> None:
            count(None, "", None)
            method(module, *args, **kwargs)

        return counted

    with ExitStack() as stack:
        # A list of layers is complete before its layers are registered, and some have no weights, so modules are also
        # counted when they are created or copied.
        for name in ("__init__", "__setstate__"):
            method = getattr(torch.nn.Module, name)
            stack.callback(setattr, torch.nn.Module, name, method)
            setattr(torch.nn.Module, name, counting(method))
        stack.callback(setattr, torch.nn.Parameter, "__deepcopy__", copy_parameter)
        torch.nn.Parameter.__deepcopy__ = counted_copy
        for kind in ("parameter", "buffer", "module"):
            register = getattr(torch_module, f"register_module_{kind}_registration_hook")
            stack.callback(register(count).remove)
        yield
