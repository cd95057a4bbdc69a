"""ESPnet's trainers with checkpoints that survive a crash and are never trusted as code."""

import contextlib
import datetime
import logging
import os
from pathlib import Path
from typing import Any, Iterator, Sequence

import numpy as np
import torch
from espnet2.train.gan_trainer import GANTrainer
from espnet2.train.trainer import Trainer

from espnet_codecse.codec.conv_codec import check_weights
from espnet_codecse.errors import UserError
from espnet_codecse.fileio import atomic_path


def load_checkpoint(path: Path) -> Any:
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


def load_strictly(model: torch.nn.Module, state: dict, path: Path) -> None:
    """Load ``state`` and name the keys that differ.

    ESPnet's own loader passes over missing and unexpected keys in silence.

    Raises:
        UserError: keys or shapes differ.
    """
    check_weights(model, state, path, "the model's configuration")
    model.load_state_dict(state)


@contextlib.contextmanager
def atomic_saving() -> Iterator[None]:
    """Make ``torch.save`` to a path atomic meanwhile: the trainer's loop calls it in place.

    A run killed while it writes ``checkpoint.pth`` would otherwise lose both the old and the new one.
    """
    plain_save = torch.save

    def save(value, target, *args, **kwargs):
        if not isinstance(target, (str, os.PathLike)):
            return plain_save(value, target, *args, **kwargs)
        with atomic_path(target) as temporary:
            plain_save(value, temporary, *args, **kwargs)

    torch.save = save
    try:
        yield
    finally:
        torch.save = plain_save


class _CrashSafe:
    """Mixed into ESPnet's trainers, before them."""

    _criteria: Sequence[Sequence[str]] = ()  # of the best model: (phase, value, min or max)

    @classmethod
    def run(cls, *args, **kwargs) -> None:
        """Train as ESPnet does, saving atomically."""
        cls._criteria = kwargs["trainer_options"].best_model_criterion
        with atomic_saving():
            super().run(*args, **kwargs)

    @classmethod
    def resume(cls, checkpoint, model, reporter, optimizers, schedulers, scaler, ngpu: int = 0, strict: bool = True):
        """Continue from ``checkpoint``, and finish the saving of its epoch if the run died in the middle of it."""
        checkpoint = Path(checkpoint)
        states = load_checkpoint(checkpoint)
        load_strictly(model, states["model"], checkpoint)
        reporter.load_state_dict(states["reporter"])
        for optimizer, state in zip(optimizers, states["optimizers"]):
            optimizer.load_state_dict(state)
        for scheduler, state in zip(schedulers, states["schedulers"]):
            if scheduler is not None:
                scheduler.load_state_dict(state)
        if scaler is not None and states["scaler"] is not None:
            scaler.load_state_dict(states["scaler"])
        logging.info(f"The training was resumed using {checkpoint}, after epoch {reporter.get_epoch()}")
        epoch_file = checkpoint.parent / f"{reporter.get_epoch()}epoch.pth"
        if not epoch_file.exists():
            with atomic_path(epoch_file) as temporary:
                torch.save(states["model"], temporary)
        links = {"latest.pth": reporter.get_epoch()}
        for phase, key, mode in cls._criteria:
            if reporter.has(phase, key):
                links[f"{phase}.{key}.best.pth"] = reporter.get_best_epoch(phase, key, mode)
        for name, epoch in links.items():
            link, target = checkpoint.parent / name, f"{epoch}epoch.pth"
            if (checkpoint.parent / target).exists() and not (link.is_symlink() and os.readlink(link) == target):
                link.unlink(missing_ok=True)
                link.symlink_to(target)


class CrashSafeTrainer(_CrashSafe, Trainer):
    """:class:`espnet2.train.trainer.Trainer` with crash-safe checkpoints."""


class CrashSafeGANTrainer(_CrashSafe, GANTrainer):
    """:class:`espnet2.train.gan_trainer.GANTrainer` with crash-safe checkpoints."""
