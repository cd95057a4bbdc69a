"""Make ESPnet's data options from data directories."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from espnet_codecse.documents import read_yaml
from espnet_codecse.errors import UserError
from espnet_codecse.fileio import read_counts, read_scp
from espnet_codecse.task.model_types import model_type_of

Pair = tuple[Path, Path]  # training and validation


def training_options(
    config: Path, data_dirs: Pair, folders: Mapping[str, Pair] | None = None, batch_size: int | None = None
) -> list[str]:
    """Return ESPnet's data options for train and valid, such as ``--train_data_path_and_name_and_type``.

    Args:
        config: the training's yaml.
        data_dirs: formatted data directories.
        folders: further folders that the model type reads, by name, such as ``embeddings``.
        batch_size: mixtures per step; None: the configuration's.

    Raises:
        UserError: ``config`` is not the configuration of a training, or the data do not fit it.
    """
    configuration = read_configuration(config)
    if batch_size is not None:
        configuration["batch_size"] = batch_size
    try:
        return model_type_of(configuration).load("data")(configuration, data_dirs, folders or {})
    except (KeyError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{config}: not written by codecse config (missing {reason}); write it again") from None


def read_configuration(config: Path) -> dict[str, Any]:
    """Read the yaml of a training.

    Raises:
        UserError: the file is missing or has no keys.
    """
    return read_yaml(config, "codecse config writes it")


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
