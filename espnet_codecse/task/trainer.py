"""ESPnet's trainers with checkpoints that survive a crash and cannot execute code, and an end to NaN losses."""

import contextlib
import importlib
import logging
import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from espnet2.train.gan_trainer import GANTrainer
from espnet2.train.trainer import Trainer

from espnet_codecse.checkpoint import load_checkpoint, load_strictly
from espnet_codecse.errors import UserError
from espnet_codecse.fileio import atomic_path
from espnet_codecse.report.training_log import MACHINE
from espnet_codecse.task.device import describe_device
from espnet_codecse.task.sync_debug import SyncDebug


@contextlib.contextmanager
def atomic_saving() -> Iterator[None]:
    """Make ``torch.save`` to a path atomic within this context.

    The trainer's loop writes ``checkpoint.pth`` in place, so a run killed meanwhile would lose both the old and the new
    checkpoint.

    Raises (``torch.save`` within the context):
        UserError: the file cannot be written; the one that was there before stays as it was.
    """
    plain_save = torch.save

    def save(value, target, *args, **kwargs):
        if not isinstance(target, (str, os.PathLike)):
            return plain_save(value, target, *args, **kwargs)
        with atomic_path(Path(target)) as temporary:
            try:
                plain_save(value, temporary, *args, **kwargs)
            except RuntimeError as error:  # torch's writer does not raise OSError
                reason = " ".join(str(error).split())[:200]
                raise UserError(f"{target}: cannot be written ({reason}); is the disk full?") from error

    torch.save = save
    try:
        yield
    finally:
        torch.save = plain_save


def is_first_process() -> bool:
    """Return whether this process is the only one of its training, or the one that writes files."""
    distributed = torch.distributed.is_available() and torch.distributed.is_initialized()
    return not distributed or torch.distributed.get_rank() == 0


# Of ESPnet's models with one optimizer, and of those with a generator and a discriminator.
_LOSSES = ("loss", "generator_loss", "discriminator_loss")


def check_losses(reporter, phase: str) -> None:
    """Check the losses that ESPnet's reporter has collected in an epoch.

    ESPnet skips the steps whose gradients are not finite, and would go on to the last epoch without learning anything.

    Args:
        reporter: ESPnet's ``SubReporter`` of the phase.
        phase: ``training`` or ``validation``.

    Raises:
        UserError: a loss was finite in none of the steps.
    """
    for name in _LOSSES:
        values = [reported.value for reported in reporter.stats.get(name, [])]
        if values and not any(map(math.isfinite, values)):
            raise UserError(
                f"epoch {reporter.get_epoch()}: the {name} of {phase} was NaN or infinite in all of its {len(values)} "
                "steps; check the data and statistics, or lower the learning rate"
            )


class _CrashSafe:
    """Mixin for ESPnet's trainers; it must come first among the bases."""

    _criteria: Sequence[Sequence[str]] = ()  # for the best model: (phase, value, min or max)
    _sync_debug = "none"

    @classmethod
    def build_options(cls, args):
        """Return ESPnet's options of the trainer; see ESPnet's method."""
        cls._sync_debug = getattr(args, "sync_debug", "none")
        return super().build_options(args)  # type: ignore[misc]  # defined by ESPnet's trainer

    @classmethod
    def run(cls, model, optimizers, *args, **kwargs) -> None:
        """Train as in ESPnet, with atomic saving."""
        options = kwargs["trainer_options"]
        if cls._sync_debug != "none":
            SyncDebug(cls._sync_debug).attach(model, optimizers)
        cls._criteria = options.best_model_criterion
        logging.info(MACHINE + describe_device("cuda" if options.ngpu else "cpu", torch.get_num_threads()))
        with atomic_saving():
            super().run(model, optimizers, *args, **kwargs)  # type: ignore[misc]  # defined by ESPnet's trainer

    @classmethod
    def train_one_epoch(cls, *args, reporter, **kwargs) -> bool:
        """Train for an epoch.

        Raises:
            UserError: see :func:`check_losses`; or no step had finite gradients.
        """
        all_steps_are_invalid = super().train_one_epoch(*args, reporter=reporter, **kwargs)  # type: ignore[misc]
        check_losses(reporter, "training")
        if all_steps_are_invalid:
            raise UserError(
                f"epoch {reporter.get_epoch()}: no step had finite gradients; check the data or lower the learning rate"
            )
        return all_steps_are_invalid

    @classmethod
    def validate_one_epoch(cls, *args, reporter, **kwargs) -> None:
        """Validate.

        Raises:
            UserError: see :func:`check_losses`.
        """
        super().validate_one_epoch(*args, reporter=reporter, **kwargs)  # type: ignore[misc]
        check_losses(reporter, "validation")

    @classmethod
    def plot_attention(cls, model, output_dir, summary_writer, iterator, reporter, options) -> None:
        """Log utterances in place of attention, which separators do not show; see ESPnet's method."""
        from espnet_codecse.task.listening import log_utterances

        wandb = importlib.import_module("wandb") if options.use_wandb else None
        model.eval()
        device = "cuda" if options.ngpu > 0 else "cpu"
        log_utterances(model, iterator, reporter.get_epoch(), device, summary_writer, wandb)
        reporter.next()

    @classmethod
    def resume(cls, checkpoint, model, reporter, optimizers, schedulers, scaler, ngpu: int = 0, strict: bool = True):
        """Resume from ``checkpoint``, and finish saving its epoch if the run was killed while it did so.

        Raises:
            UserError: the file is damaged, or of another training.
        """
        checkpoint = Path(checkpoint)
        states = load_checkpoint(checkpoint)
        try:
            load_strictly(model, states["model"], checkpoint)
            reporter.load_state_dict(states["reporter"])
            if type(reporter.get_epoch()) is not int:
                raise TypeError("its epoch is not a number")
            for optimizer, state in zip(optimizers, states["optimizers"]):
                optimizer.load_state_dict(state)
            for scheduler, state in zip(schedulers, states["schedulers"]):
                if scheduler is not None:
                    scheduler.load_state_dict(state)
            if scaler is not None and states["scaler"] is not None:
                scaler.load_state_dict(states["scaler"])
        except (KeyError, TypeError, ValueError, AttributeError, IndexError, RuntimeError) as error:
            # ESPnet and torch take these states apart without checking them.
            reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            raise UserError(
                f"{checkpoint}: not a state of this training ({reason}); remove the file to start the training again"
            ) from None
        logging.info(f"The training was resumed using {checkpoint}, after epoch {reporter.get_epoch()}")
        if is_first_process():
            cls._finish_saving(checkpoint, states["model"], reporter)

    @classmethod
    def _finish_saving(cls, checkpoint: Path, weights, reporter) -> None:
        epoch_file = checkpoint.parent / f"{reporter.get_epoch()}epoch.pth"
        if not epoch_file.exists():
            with atomic_path(epoch_file) as temporary:
                torch.save(weights, temporary)
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
