"""What a device computes natively in bfloat16, and an LSTM that runs where it does not."""

from functools import cache
from pathlib import Path

import torch

DTYPES = ("auto", "float32", "bfloat16")  # auto: bfloat16 if the device has it in hardware


@cache
def has_native_bfloat16(device: str) -> bool:
    """Whether ``device`` multiplies bfloat16 matrices in hardware; emulated, it is slower than float32."""
    if device.startswith("cuda"):
        return torch.cuda.get_device_capability(device)[0] >= 8
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return False
    flags = next((line for line in lines if line.lower().startswith(("flags", "features"))), "").split()
    return any(flag in flags for flag in ("avx512_bf16", "amx_bf16", "bf16"))


def dtype_on(device: str, name: str) -> torch.dtype:
    """Return the data type that ``name``, one of :data:`DTYPES`, means on ``device``."""
    if name == "auto":
        name = "bfloat16" if has_native_bfloat16(device) else "float32"
    return getattr(torch, name)


def checked_dtype(name: str) -> str:
    """Return ``name``, the data type of a separator in training.

    Raises:
        ValueError: it is not one of :data:`DTYPES`.
    """
    if name not in DTYPES:
        raise ValueError(f"separator_dtype '{name}' is not one of {', '.join(DTYPES)}")
    return name


def network_dtype(name: str, device: torch.device) -> torch.dtype | None:
    """Return the type in which a network's products are computed under autocast; None: in float32.

    Args:
        name: the model's own setting, one of :data:`DTYPES`.
        device: device of the network; under autocast around the model (``use_amp``), its type decides.
    """
    if torch.is_autocast_enabled(device.type):
        return torch.get_autocast_dtype(device.type)
    dtype = dtype_on(str(device), name)
    return None if dtype == torch.float32 else dtype


def autocast(device: torch.device, dtype: torch.dtype | None) -> torch.autocast:
    """Return the context of products in ``dtype``; None or float32: all in float32, whatever context is around it."""
    enabled = dtype not in (None, torch.float32)
    return torch.autocast(device.type, dtype if enabled else torch.bfloat16, enabled=enabled)


@cache
def has_bfloat16_lstm() -> bool:
    """Whether this processor runs an LSTM in bfloat16 at all: those with AVX2 alone have no kernel for it."""
    lstm = torch.nn.LSTM(2, 2)
    try:
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            lstm(torch.zeros(1, 1, 2))
    except RuntimeError:
        return False
    return True


class LSTM(torch.nn.LSTM):
    """PyTorch's LSTM; under autocast it computes in float32 on processors without a kernel for bfloat16."""

    def forward(
        self, input: torch.Tensor, hx: tuple[torch.Tensor, torch.Tensor] | None = None
    ) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor]]:
        """See :class:`torch.nn.LSTM`."""
        if input.device.type == "cpu" and torch.is_autocast_enabled("cpu") and not has_bfloat16_lstm():
            with torch.autocast("cpu", enabled=False):
                return super().forward(input.float(), hx)
        return super().forward(input, hx)
