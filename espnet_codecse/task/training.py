"""Make ESPnet's data options from data directories."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from espnet_codecse.documents import read_yaml
from espnet_codecse.errors import UserError
from espnet_codecse.fileio import read_counts, read_scp
from espnet_codecse.task.model_types import model_type_of

Pair = tuple[Path, Path]  # training and validation


def training_options(
    config: Path,
    data_dirs: Pair,
    folders: Mapping[str, Pair] | None = None,
    batch_size: int | None = None,
    espnet_options: Sequence[str] = (),
) -> list[str]:
    """Return ESPnet's data options for train and valid, such as ``--train_data_path_and_name_and_type``.

    Args:
        config: the training's yaml.
        data_dirs: formatted data directories.
        folders: further folders that the model type reads, by name, such as ``embeddings``.
        batch_size: mixtures per step; None: the configuration's.
        espnet_options: see :func:`read_configuration`.

    Raises:
        UserError: ``config`` is not the configuration of a training, or the data do not fit it.
    """
    configuration = read_configuration(config, espnet_options)
    if batch_size is not None:
        configuration["batch_size"] = batch_size
    try:
        return model_type_of(configuration).load("data")(configuration, data_dirs, folders or {})
    except (KeyError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{config}: not written by codecse config (missing {reason}); write it again") from None


def read_configuration(config: Path, espnet_options: Sequence[str] = ()) -> dict[str, Any]:
    """Read the yaml of a training, and replace what the command line sets.

    Args:
        config: the yaml.
        espnet_options: options as ESPnet takes them, such as ``--teacher_conf kind=distillmos``; those that are not in
            the yaml are left out.

    Raises:
        UserError: the file is missing or has no keys.
    """
    configuration = read_yaml(config, "codecse config writes it")
    if not espnet_options:
        return configuration
    from espnet2.utils.nested_dict_action import NestedDictAction

    parser = argparse.ArgumentParser(prog="codecse train", add_help=False, allow_abbrev=False)
    for name, value in configuration.items():
        if isinstance(value, dict) or name.endswith("_conf"):
            parser.add_argument(f"--{name}", action=NestedDictAction, default=value)
        elif not isinstance(value, list):
            parser.add_argument(f"--{name}", type=_scalar, default=value)
    return {**configuration, **vars(parser.parse_known_args(list(espnet_options))[0])}


def _scalar(text: str) -> Any:
    """Return the value of ``text`` in yaml."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text


def data_entry(file: Path, name: str, kind: str) -> str:
    """Return ESPnet's ``path,name,type``.

    Raises:
        UserError: the file does not exist, or an entry of a list of arks does not point to one.
    """
    if not file.is_file():
        raise UserError(f"{file}: missing, but the training needs it; run the stage that writes it")
    if kind == "kaldi_ark":
        from espnet_codecse.embedding.ark import check_arks

        check_arks(file)
    return f"{file},{name},{kind}"


def shape_file(file: Path, scp: Path) -> str:
    """Return the path of the lengths of the utterances in ``scp``; where it is there, each must have its length.

    Raises:
        UserError: the file is damaged or lacks an utterance.
    """
    missing = sorted(read_scp(scp).keys() - read_counts(file).keys()) if file.is_file() else []
    if missing:
        raise UserError(f"{file}: no line for '{missing[0]}'; run the stage that writes it again")
    return str(file)


def check_size(mode: str, data_dir: Path, scp: str, batch_size: int) -> None:
    """Check that the set listed in ``scp`` is not empty and, for training, has enough utterances for a batch.

    Raises:
        UserError: it is empty or too small.
    """
    num_utterances = len(read_scp(scp))
    if num_utterances == 0:
        raise UserError(f"{data_dir}: holds no utterances; check rejected.tsv there, or pass another folder")
    if mode == "train" and num_utterances < batch_size:
        raise UserError(
            f"{data_dir}: {num_utterances} utterances are fewer than batch_size {batch_size}; add data or lower "
            "it with --enhance_args '--batch_size 1'"
        )
