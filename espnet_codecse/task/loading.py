"""Rebuild a trained enhancement model from its experiment folder."""

import argparse
import contextlib
import copy
import io
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from espnet_codecse.building import building
from espnet_codecse.checkpoint import load_checkpoint, load_strictly
from espnet_codecse.enh.encoder.choices import ENCODERS
from espnet_codecse.installation import naming_missing_packages
from espnet_codecse.task.configuration import not_a_training, read_training
from espnet_codecse.task.model_types import EMBEDDING, model_type_name, model_type_of
from espnet_codecse.task.old_names import without_unused_weights


def build_for_inference(args: argparse.Namespace) -> torch.nn.Module:
    """Build a model from a training's options.

    If the model type supports it, only the parts for inference are built, without ESPnet's task. The task imports all
    of ESPnet, which takes longer than enhancing an hour of audio and is not installed everywhere.

    Raises:
        UserError: a package that the model needs is missing.
    """
    kind = model_type_of(vars(args))
    with naming_missing_packages("this model"):
        trained = kind.load("trained")(args) if kind.trained else None
        if trained is not None:
            return trained
        with quiet_imports():
            task = kind.load("task")
        return task.build_model(args)


def load_trained_model(
    train_config: Path,
    model_file: Path,
    device: str = "cpu",
    codec: str | None = None,
    configuration: Mapping[str, Any] | None = None,
) -> tuple[torch.nn.Module, argparse.Namespace]:
    """Build the model of ``train_config`` and load ``model_file`` strictly.

    Args:
        train_config: the experiment's ``config.yaml``.
        model_file: a checkpoint of the experiment.
        device: torch device.
        codec: folder of the same codec, if it has moved since training.
        configuration: content of ``train_config``, if it was already read.

    Returns:
        ``(model in evaluation mode, with encoder and separator, the training's options)``.

    Raises:
        UserError: a file is missing or does not fit, or the codec has a different fingerprint.
    """
    args = argparse.Namespace(**copy.deepcopy(configuration or read_training(train_config)))
    embedding = model_type_name(vars(args)) == EMBEDDING
    if embedding and getattr(args, "encoder", None) not in ENCODERS:
        error = ValueError(f"its encoder is '{getattr(args, 'encoder', None)}', not a codec")
        raise not_a_training(train_config, error)
    args.embedding_stats = None  # they are in the checkpoint, and the file may be gone
    if codec is not None and embedding:
        args.encoder_conf["codec"] = args.decoder_conf["codec"] = codec
    elif codec is not None:
        args.codec = codec
    with building(f"{train_config}: no model can be built", "is it from another version?"):
        model = build_for_inference(args)
    state = without_unused_weights(model, load_checkpoint(Path(model_file)))
    for name in getattr(model, "TRAINING_ONLY", ()):
        # Packs do not contain parts that only training needs, such as discriminators.
        delattr(model, name)
        if isinstance(state, Mapping):
            state = {key: value for key, value in state.items() if not key.startswith(f"{name}.")}
    load_strictly(model, state, Path(model_file))
    return model.to(device).eval(), args


@contextlib.contextmanager
def quiet_imports() -> Iterator[None]:
    """Suppress output and warnings of modules during import; exceptions pass through."""
    dropped = io.StringIO()
    with warnings.catch_warnings(), contextlib.redirect_stdout(dropped), contextlib.redirect_stderr(dropped):
        warnings.simplefilter("ignore")
        yield
