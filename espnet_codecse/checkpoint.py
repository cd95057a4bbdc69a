"""Checkpoints: read as plain tensors, never as code, and compared with the network before they are loaded."""

import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from espnet_codecse.errors import UserError
from espnet_codecse.fileio import PathLike


def load_checkpoint(path: PathLike) -> Any:
    """Load plain tensors and containers from ``path`` to the CPU.

    Raises:
        UserError: the file is missing, cut short, or a pickle that would run code.
    """
    # ESPnet's reporter keeps its averages as NumPy scalars and its times as timedelta, which are plain numbers too.
    core = getattr(np, "_core", None) or np.core
    dtypes = [type(np.dtype(kind)) for kind in (np.float64, np.float32, np.int64, np.int32)]
    plain = [datetime.timedelta, core.multiarray.scalar, np.dtype, *dtypes]
    try:
        with torch.serialization.safe_globals(plain):
            return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise UserError(f"{path}: no such checkpoint; was the training run?") from None
    except Exception as error:  # torch raises several unrelated types for damaged files
        lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
        reason = next((line for line in lines if "unsupported global" in line.lower()), lines[0])
        raise UserError(f"{path}: not a plain checkpoint ({reason[:200]}); refused") from None


def load_strictly(
    model: torch.nn.Module, state: dict, path: Path, configuration: str = "the model's configuration"
) -> None:
    """Load ``state`` and name the keys that differ.

    ESPnet's own loader passes over missing and unexpected keys in silence.

    Raises:
        UserError: keys or shapes differ.
    """
    check_weights(model, state, path, configuration)
    model.load_state_dict(state)


def check_weights(
    network: torch.nn.Module, weights: Mapping[str, torch.Tensor], file: PathLike, configuration: str
) -> None:
    """Compare the keys and shapes of ``weights``, read from ``file``, with the network of ``configuration``.

    Raises:
        UserError: they differ; keys of each kind are named.
    """
    if not isinstance(weights, Mapping):
        raise UserError(f"{file}: holds no named weights; not a checkpoint of {configuration}")
    own = network.state_dict()
    shared = own.keys() & weights.keys()
    kinds = {
        "missing": own.keys() - weights.keys(),
        "unexpected": weights.keys() - own.keys(),
        "of another shape": {key for key in shared if getattr(weights[key], "shape", None) != own[key].shape},
    }
    differing = [f"{kind}: {', '.join(sorted(keys)[:4])} ({len(keys)})" for kind, keys in kinds.items() if keys]
    if differing:
        raise UserError(f"{file}: does not fit {configuration}; {'; '.join(differing)}")
