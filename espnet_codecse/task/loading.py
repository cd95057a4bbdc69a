"""Rebuilding a trained enhancement model from its experiment folder."""

import argparse
import contextlib
import io
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
import yaml

from espnet_codecse.checkpoint import load_checkpoint, load_strictly
from espnet_codecse.errors import UserError
from espnet_codecse.installation import naming_missing_packages
from espnet_codecse.task.kinds import EMBEDDING, kind_name, kind_of


def build_for_inference(args: argparse.Namespace) -> torch.nn.Module:
    """Build a model from a training's options.

    Where the kind of system knows how, only what inference needs is built, without ESPnet's task: that imports all of
    ESPnet, which takes longer than enhancing an hour does and is not installed everywhere.

    Raises:
        UserError: a package that the model needs is missing.
    """
    kind = kind_of(vars(args))
    with naming_missing_packages("this model"):
        trained = kind.load("trained")(args) if kind.trained else None
        if trained is not None:
            return trained
        with quiet_imports():
            task = kind.load("task")
        return task.build_model(args)


def load_trained_model(
    train_config: Path, model_file: Path, device: str = "cpu", codec: str | None = None
) -> tuple[torch.nn.Module, argparse.Namespace]:
    """Build the model of ``train_config`` and load ``model_file`` strictly.

    Args:
        train_config: the experiment's ``config.yaml``.
        model_file: a checkpoint of it.
        device: torch device.
        codec: where the same codec lies now, if not where it lay in training.

    Returns:
        ``(model in evaluation mode, with encoder and separator, the training's options)``.

    Raises:
        UserError: a file is missing or does not fit, or the codec is another one.
    """
    try:
        with open(train_config) as stream:
            args = argparse.Namespace(**yaml.safe_load(stream))
        kind = kind_name(vars(args))
        if kind == EMBEDDING and args.encoder != "codec":
            raise ValueError(f"its encoder is '{args.encoder}', not a codec")
    except UserError as error:
        raise UserError(f"{train_config}: {error}") from None
    except (OSError, TypeError, ValueError, AttributeError, yaml.YAMLError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{train_config}: not a training's configuration ({reason}); was the training run?") from None
    args.embedding_stats = None  # they are in the checkpoint, and the file may be gone
    if codec is not None and kind == EMBEDDING:
        args.encoder_conf["codec"] = args.decoder_conf["codec"] = codec
    elif codec is not None:
        args.codec = codec
    try:
        model = build_for_inference(args)
    except (TypeError, ValueError, KeyError, AttributeError, IndexError, RuntimeError, AssertionError) as error:
        # ESPnet builds from whatever a configuration holds: one that is damaged or foreign raises anything.
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"{train_config}: builds no model ({type(error).__name__}: {reason}); is it of another version?"
        ) from None
    state = load_checkpoint(Path(model_file))
    for name in getattr(model, "TRAINING_ONLY", ()):
        # Packs come without what only training needs, such as discriminators.
        delattr(model, name)
        if isinstance(state, Mapping):
            state = {key: value for key, value in state.items() if not key.startswith(f"{name}.")}
    load_strictly(model, state, Path(model_file))
    return model.to(device).eval(), args


@contextlib.contextmanager
def quiet_imports() -> Iterator[None]:
    """Drop what modules print and warn of while they are imported; exceptions pass."""
    dropped = io.StringIO()
    with warnings.catch_warnings(), contextlib.redirect_stdout(dropped), contextlib.redirect_stderr(dropped):
        warnings.simplefilter("ignore")
        yield
