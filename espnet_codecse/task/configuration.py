"""Configurations of a system: a recipe's file is merged over the template's of the same name, which has the paper's."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from espnet_codecse.documents import read_yaml
from espnet_codecse.errors import UserError
from espnet_codecse.level import LevelRule
from espnet_codecse.task.model_types import EMBEDDING, model_type_name, model_type_of
from espnet_codecse.task.old_names import with_current_names


def merge(base: Any, override: Any) -> Any:
    """Return ``override`` merged over ``base``: mappings key by key; other values, including lists, are replaced.

    If ``override`` selects another class (``scheduler: warmuplr``), the ``scheduler_conf`` of the old class is dropped.
    """
    if not (isinstance(base, Mapping) and isinstance(override, Mapping)):
        return override
    merged = dict(base)
    for key, value in override.items():
        if base.get(key, value) != value:
            merged.pop(f"{key}_conf", None)
    for key, value in override.items():
        merged[key] = merge(merged[key], value) if key in merged else value
    return merged


def known_systems(template: Path) -> list[str]:
    """Return the names of the folders below ``template`` that contain steps."""
    return sorted(path.name for path in template.iterdir() if any(path.glob("[0-9]_*.yaml")))


def system_steps(template: Path, system: str) -> list[str]:
    """Return the steps of a system in order: ``1_enhance``, ...

    Raises:
        UserError: the system is unknown.
    """
    steps = sorted(path.stem for path in (template / system).glob("[0-9]_*.yaml"))
    if not system or not steps:
        raise UserError(f"--system {system}: unknown; known systems: {', '.join(known_systems(template))}")
    return steps


def build_configuration(
    template: Path,
    recipe: Path,
    system: str,
    step: str,
    codec: str,
    size: str | None,
    loss: str | None,
    num_spk: int | None = None,
    variants: Sequence[str] = (),
) -> dict[str, Any]:
    """Return the training configuration of one step.

    The files are merged in this order: step, size, variants, loss; of each, first the template's, then the recipe's.

    Args:
        template: ``conf`` of the template.
        recipe: ``conf`` of the recipe.
        system, step: the step's file is ``<system>/<step>.yaml``.
        codec: name or folder of the codec that the system uses.
        size: ``<system>/size/<size>.yaml``; None: the step's own.
        loss: ``<system>/loss/<loss>.yaml``; None: the step's own.
        num_spk: speakers in a mixture; None: the step's own. For several speakers, losses with a fixed order become
            permutation-invariant; the second and later losses use the order that the first one finds.
        variants: ``<system>/variant/<name>.yaml`` for each name.

    Raises:
        UserError: an unknown system, size, variant or loss, or a file that is not valid yaml.
    """
    if step not in system_steps(template, system):
        raise UserError(f"--system {system}: has no step '{step}'")
    names = [f"{step}.yaml"]
    for kind, choice in (("size", size), *(("variant", variant) for variant in variants), ("loss", loss)):
        if choice:
            name = f"{kind}/{choice}.yaml"
            if not any((folder / system / name).is_file() for folder in (template, recipe)):
                folders = [root / system / kind for root in (template, recipe)]
                known = sorted({path.stem for folder in folders for path in folder.glob("*.yaml")})
                raise UserError(f"--{kind} {choice}: unknown for {system}; known: {', '.join(known)}")
            names.append(name)
    configuration: dict[str, Any] = {}
    for name in names:
        for folder in (template, recipe):
            file = folder / system / name
            if file.is_file():
                configuration = merge(configuration, _read(file))
    model_type = model_type_of(configuration)
    if model_type.outputs and (num_spk or 1) > 1:
        raise UserError(f"--num_spk {num_spk}: {system} enhances one speaker; leave it out")
    if num_spk is not None and not model_type.outputs:
        configuration = _with_speakers(configuration, num_spk)
    if not model_type.takes_codec:
        return configuration
    if model_type_name(configuration) != EMBEDDING:
        return merge(configuration, {"codec": codec})
    codec_conf = {"encoder_conf": {"codec": codec}, "decoder_conf": {"codec": codec}}
    return merge(configuration, codec_conf)


def _with_speakers(configuration: dict[str, Any], num_spk: int) -> dict[str, Any]:
    """Return ``configuration`` for mixtures of ``num_spk`` speakers."""
    criterions = configuration["criterions"]
    if num_spk > 1:
        criterions = [
            {**item, "wrapper": "pit", "wrapper_conf": {**item.get("wrapper_conf", {}), "independent_perm": index == 0}}
            if item.get("wrapper") == "fixed_order"
            else item
            for index, item in enumerate(criterions)
        ]
    return merge(configuration, {"separator_conf": {"num_spk": num_spk}, "criterions": criterions})


STARTED = "started.yaml"  # in the folder of a training: its configuration with the options of the command line


def check_unchanged(file: Path, configuration: Mapping[str, Any]) -> None:
    """Compare a configuration with the one that an experiment was started with.

    Length and speed of the training may change, but network, loss and data may not: otherwise the checkpoint would
    silently resume with a different network or loss.

    Args:
        file: the experiment's ``train.yaml`` or :data:`STARTED`; if it or the ``checkpoint.pth`` beside it is missing,
            nothing is checked.
        configuration: the new configuration.

    Raises:
        UserError: they differ; the message names the first key.
    """
    if not file.is_file() or not (file.parent / "checkpoint.pth").is_file():
        return
    before = with_current_names(_read(file))
    keys = {"encoder", "separator", "criterions", "optim", "scheduler", "task", "codec", "preprocessor", "crop_seconds"}
    keys |= {"use_vae", "window_frames", "diffusion_model"}
    keys |= {key for key in {*before, *configuration} if key.endswith("_conf")}
    for key in sorted(key for key in keys if not re.fullmatch(r"(optim|scheduler)\d*_conf", key)):
        if before.get(key) != configuration.get(key):
            raise UserError(
                f"{file.parent}: was trained with another {key}; "
                "give this experiment its own --tag, or remove the folder"
            )


def check_embedding_source(configuration: Mapping[str, Any], stored: bool) -> None:
    """Check that the model can be trained from stored embeddings, if they are ``stored``.

    Raises:
        UserError: its encoder is trained, so that it needs waveforms.
    """
    if stored and configuration.get("encoder") == "denoising_codec":
        raise UserError("an encoder is trained on waveforms, not on embeddings: use --embedding_source on_the_fly")


def needs_waveform_reference(configuration: Mapping[str, Any]) -> bool:
    """Return whether any loss is computed on waveforms instead of embeddings."""
    on_embeddings = ("embedding_mse", "code_cross_entropy")
    return any(item["name"] not in on_embeddings for item in configuration["criterions"])


def level_rule(configuration: Mapping[str, Any]) -> LevelRule | None:
    """Return the levels at which a training encodes its signals; None: as recorded.

    Raises:
        UserError: they are invalid.
    """
    if model_type_name(configuration) != EMBEDDING:
        return None
    try:
        return LevelRule.of_training(configuration.get("model_conf") or {})
    except (TypeError, ValueError) as error:
        raise UserError(f"model_conf: {error}") from None


def _read(file: Path) -> dict[str, Any]:
    return read_yaml(file, "correct the file")


def read_training(train_config: Path) -> dict[str, Any]:
    """Read the ``config.yaml`` of a training; old names are replaced by the current ones.

    Raises:
        UserError: the file is missing, or is not the configuration of a training.
    """
    configuration = with_current_names(
        read_yaml(train_config, "not the configuration of a training: train the step first")
    )
    try:
        kind = model_type_name(configuration)
    except UserError as error:
        raise UserError(f"{train_config}: {error}") from None
    check_parts(configuration, kind, str(train_config))
    return configuration


MAX_SPEAKERS = 20  # outputs of a model; each has its own files
# What a model of a type cannot do without.
_NEEDED = {EMBEDDING: ("encoder_conf", "decoder_conf", "separator_conf", "model_conf")}


def check_parts(configuration: Mapping[str, Any], kind: str, where: str) -> None:
    """Check that the parts of a model of type ``kind`` are there, and are mappings.

    Raises:
        UserError: a part is missing or something else.
    """
    wrong = [key for key in _NEEDED.get(kind, ()) if not isinstance(configuration.get(key), Mapping)]
    wrong += [
        key
        for key in sorted(configuration, key=str)
        if str(key).endswith("_conf") and not isinstance(configuration[key], (Mapping, type(None)))
    ]
    if kind == EMBEDDING and not isinstance(configuration.get("separator"), str):
        wrong.append("separator")
    separator = configuration.get("separator_conf")
    num_spk = separator.get("num_spk", 1) if isinstance(separator, Mapping) else 1
    if type(num_spk) is not int or not 1 <= num_spk <= MAX_SPEAKERS:
        wrong.append("num_spk")
    if wrong:
        raise UserError(
            f"{where}: not the configuration of a training ({wrong[0]} is missing or damaged); train the step first"
        )


def not_a_training(train_config: Path, error: Exception) -> UserError:
    """Return the error for a file that is not the configuration of a training, with the reason on one line."""
    reason = str(error).splitlines()[0]
    return UserError(f"{train_config}: not the configuration of a training ({reason}); train the step first")


def output_names(configuration: Mapping[str, Any]) -> list[str]:
    """Return the names of a model's outputs, such as ``spk1``, from its training's configuration."""
    fixed = model_type_of(configuration).outputs
    return list(fixed) if fixed else [f"spk{index + 1}" for index in range(num_speakers(configuration))]


def num_speakers(configuration: Mapping[str, Any]) -> int:
    """Return the number of a model's outputs that are speakers."""
    fixed = model_type_of(configuration).outputs
    if fixed:
        return sum(name.startswith("spk") for name in fixed)
    return int(configuration["separator_conf"].get("num_spk", 1))
