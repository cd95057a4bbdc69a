"""Checkpoints: read as plain tensors, never as code, and compared with the network before they are loaded."""

import datetime
import os
import zipfile
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
        UserError: the file is missing, damaged, larger than it looks, or a pickle that would run code.
    """
    check_archive(path)
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


def check_archive(path: PathLike, label: str = "", checksums: bool = True) -> None:
    """Check the zip that ``torch.save`` writes, in which torch itself checks neither sizes nor checksums.

    Older checkpoints are not zips and have no checksums; they pass.

    Args:
        path: the checkpoint.
        label: its name in messages; default: its path.
        checksums: also compare the CRC-32 of every member.

    Raises:
        UserError: the zip or a member is damaged, or the members are compressed or larger than the file.
    """
    label = label or f"{path}:"
    try:
        with open(path, "rb") as stream:
            if stream.read(len(_ZIP)) != _ZIP:  # by which torch recognises a zip, too
                return
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            stored = all(member.compress_type == zipfile.ZIP_STORED for member in members)
            if not stored or sum(member.file_size for member in members) > os.path.getsize(path):
                raise UserError(f"{label} has compressed members, unlike files written by PyTorch; refused")
            damaged = archive.testzip() if checksums else None
    except FileNotFoundError:
        return  # reading it gives the message
    except (OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(f"{label} not a plain checkpoint ({reason}); copy it again") from None
    if damaged is not None:
        raise UserError(f"{label} damaged on disk (checksum of '{damaged}' differs); copy it again")


_ZIP = b"PK\x03\x04"


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
    """Compare keys, shapes and types of ``weights``, read from ``file``, with the network of ``configuration``.

    Raises:
        UserError: they differ, or a value is NaN or infinite; keys of each kind are named.
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
    fitting = shared - kinds["of another shape"]
    kinds["of another type"] = {key for key in fitting if not _is_of_type(weights[key], own[key])}
    kinds["not finite"] = {key for key in fitting - kinds["of another type"] if not torch.isfinite(weights[key]).all()}
    differing = [
        f"{kind}: {', '.join(sorted(map(str, keys))[:4])} ({len(keys)})" for kind, keys in kinds.items() if keys
    ]
    if differing:
        raise UserError(f"{file}: does not fit {configuration}; {'; '.join(differing)}")


# Packs may hold half the digits of the network's weights.
_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def _is_of_type(value: torch.Tensor, own: torch.Tensor) -> bool:
    """Whether ``value`` is an ordinary tensor of numbers as ``own`` has them."""
    plain = value.layout is torch.strided and value.device.type == "cpu" and not value.is_quantized
    return plain and (value.dtype in _FLOATS if own.dtype in _FLOATS else value.dtype == own.dtype)
