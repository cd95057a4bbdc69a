"""GAN training of the dual-branch system with ESPnet."""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from espnet2.tasks.abs_task import optim_classes
from espnet2.utils.nested_dict_action import NestedDictAction

from espnet_codecse.dual_branch.adversaries import Schedule
from espnet_codecse.dual_branch.coder import coder_description, rate_and_hop
from espnet_codecse.dual_branch.discriminator import SpectrumDiscriminators
from espnet_codecse.dual_branch.generator import DualBranchGenerator
from espnet_codecse.dual_branch.losses import ReconstructionLoss
from espnet_codecse.dual_branch.model import DualBranchModel, ensemble_names
from espnet_codecse.errors import UserError
from espnet_codecse.preprocess.dynamic_mixing import DynamicMixing
from espnet_codecse.preprocess.paired_crop import PairedCrop
from espnet_codecse.preprocess.rank_seed import with_rank_seed
from espnet_codecse.preprocess.unpaired_priors import UnpairedPriors
from espnet_codecse.task.collation import HostLengths
from espnet_codecse.task.padding_task import PaddingTask
from espnet_codecse.task.sync_debug import add_step_options
from espnet_codecse.task.trainer import CrashSafeGANTrainer
from espnet_codecse.task.training import Pair, check_size, data_entry, shape_file

CONFIGURATIONS = {
    "coder_conf": "Layout of encoder and decoder; default: layout and initial weights of --codec",
    "generator_conf": "Arguments of DualBranchGenerator",
    "discriminator_conf": "Arguments of SpectrumDiscriminators",
    "reconstruction_conf": "Arguments of ReconstructionLoss",
    "schedule_conf": "Arguments of Schedule",
    "model_conf": "Arguments of DualBranchModel",
}


class DualBranchTrainer(CrashSafeGANTrainer):
    """Counts the steps of each training from zero, although initial weights bring a count of their own."""

    @classmethod
    def run(cls, model: DualBranchModel, *args, **kwargs) -> None:
        """Train; if the training resumes, its checkpoint restores the count."""
        model.schedule.restart()
        super().run(model, *args, **kwargs)


class DualBranchTask(PaddingTask):
    """A GAN task on ``speech_mix`` with ``speech_ref1`` and ``noise_ref1`` (supervised), or with unpaired priors."""

    num_optimizers: int = 2
    trainer = DualBranchTrainer

    @classmethod
    def add_task_arguments(cls, parser: argparse.ArgumentParser) -> None:
        """Add this task's options to ESPnet's."""
        group = parser.add_argument_group(description="Dual branch")
        group.add_argument("--task", default="dual_branch", help="Type of model")
        group.add_argument("--codec", default=None, help="Codec for initialisation; else coder_conf")
        for name, text in CONFIGURATIONS.items():
            group.add_argument(f"--{name}", action=NestedDictAction, default={}, help=text)
        group.add_argument("--crop_seconds", type=float, default=2.0, help="Length of training segments, s")
        group.add_argument("--preprocessor", default=None, choices=["enh"], help="ESPnet's dynamic mixing")
        group.add_argument(
            "--preprocessor_conf", action=NestedDictAction, default={}, help="Arguments of the preprocessor"
        )
        for mode in ("train", "valid"):
            for kind in ("clean", "noise"):
                group.add_argument(f"--{mode}_{kind}_prior", default=None, help=f"scp of unpaired {kind} recordings")
        add_step_options(group)

    @classmethod
    def build_preprocess_fn(
        cls, args: argparse.Namespace, train: bool
    ) -> Callable[[str, dict[str, np.ndarray]], dict[str, np.ndarray]] | None:
        """Return random segments, preceded by dynamic mixing and followed by unpaired recordings if configured."""
        before = with_rank_seed(train)
        layout = cls._layout(args)
        rate, hop = rate_and_hop(layout)
        if args.preprocessor == "enh":
            options = {"num_spk": 1, "sample_rate": rate, **args.preprocessor_conf}
            before = DynamicMixing(train, options, args.model_conf.get("supervised", True), before)
        num_frames = max(1, round(args.crop_seconds * rate / hop))
        before = PairedCrop(train, num_frames, hop, before)
        mode = "train" if train else "valid"
        given = {f"{kind}_prior": getattr(args, f"{mode}_{kind}_prior") for kind in ("clean", "noise")}
        lists = {name: scp for name, scp in given.items() if scp}
        return UnpairedPriors(train, lists, num_frames * hop, rate, before) if lists else before

    @classmethod
    def build_collate_fn(cls, args: argparse.Namespace, train: bool):
        """Return the collation of padded batches, with the lengths on the host."""
        return HostLengths(super().build_collate_fn(args, train))

    @classmethod
    def required_data_names(cls, train: bool = True, inference: bool = False) -> tuple[str, ...]:
        """Return the data that every training reads."""
        return ("speech_mix",)

    @classmethod
    def optional_data_names(cls, train: bool = True, inference: bool = False) -> tuple[str, ...]:
        """Return the data that some trainings read."""
        return ("speech_ref1", "noise_ref1")

    @classmethod
    def _layout(cls, args: argparse.Namespace) -> dict:
        if not args.coder_conf and not args.codec:
            raise UserError("--codec: missing; give a codec for initialisation, or coder_conf for random weights")
        return args.coder_conf or coder_description(args.codec)

    @classmethod
    def build_model(cls, args: argparse.Namespace) -> DualBranchModel:
        """Build the model, and write the layout of ``--codec`` into ``args``, which ESPnet saves.

        The saved configuration builds the model without the codec, whose weights are in the checkpoint.

        Raises:
            UserError: a value of the configuration is unknown or does not fit.
        """
        initial = None if args.coder_conf else args.codec
        args.coder_conf = cls._layout(args)
        model_conf = dict(args.model_conf)
        weights = model_conf.pop("weights", {})
        generator = _build(DualBranchGenerator, "generator_conf", args, args.coder_conf, initial)
        ensembles = ensemble_names(weights, len(generator.branches) > 1)
        level = {"level_db": generator.level_db}
        discriminators = _build(SpectrumDiscriminators, "discriminator_conf", args, ensembles, **level)
        reconstruction = _build(ReconstructionLoss, "reconstruction_conf", args, generator.coder.sample_rate)
        schedule = _build(Schedule, "schedule_conf", args)
        try:
            return DualBranchModel(generator, discriminators, reconstruction, schedule, weights, **model_conf)
        except TypeError as error:
            raise UserError(f"model_conf: {_reason(error)}; compare it with the template's conf/dual_branch") from None

    @classmethod
    def build_optimizers(cls, args: argparse.Namespace, model: DualBranchModel) -> list[torch.optim.Optimizer]:
        """Return the optimisers of generator and discriminators.

        Raises:
            UserError: the configuration does not update the generator first.
        """
        if not args.generator_first:
            raise UserError("generator_first: false; the discriminators need the generator's outputs, set it to true")
        # Without discriminators the trainer still needs a second optimiser, and the optimiser needs a parameter.
        discriminator_parameters = list(model.discriminators.parameters()) or [torch.nn.Parameter(torch.zeros(()))]
        return [
            optim_classes[args.optim](model.generator.parameters(), **args.optim_conf),
            optim_classes[args.optim2](discriminator_parameters, **args.optim2_conf),
        ]


def _build(cls, name: str, args: argparse.Namespace, *positional, **defaults):
    try:
        return cls(*positional, **{**defaults, **getattr(args, name)})
    except (TypeError, ValueError) as error:
        raise UserError(f"{name}: {_reason(error)}; compare it with the template's conf/dual_branch") from None


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())


REFERENCES = {"clean": "spk1.scp", "noise": "noise1.scp"}


def training_data(configuration: dict[str, Any], data_dirs: Pair, folders: Mapping[str, Pair]) -> list[str]:
    """Return ESPnet's data options; see :func:`espnet_codecse.task.training.training_options`.

    Supervised training reads the references of the input; without ``noise1.scp``, the noise is the mixture minus the
    speech. Unsupervised training reads unpaired lists instead, for the discriminators in the configuration. Its
    validation still reads references that exist, only to log how well the branches match them.

    Args:
        configuration: the training's configuration.
        data_dirs: formatted data directories.
        folders: ``clean_prior``, ``noise_prior``: data directories of clean speech and noise; sets of mixtures provide
            their references. Default: the references of ``data_dirs``.

    Raises:
        UserError: a file is missing or a set is empty.
    """
    model_conf = configuration["model_conf"]
    supervised = model_conf.get("supervised", True)
    noise_branch = configuration.get("generator_conf", {}).get("noise_branch", True)
    options: list[str] = []
    for index, (mode, data_dir) in enumerate(zip(("train", "valid"), data_dirs)):
        entries = [data_entry(data_dir / "wav.scp", "speech_mix", "sound")]
        clean, noise = data_dir / REFERENCES["clean"], data_dir / REFERENCES["noise"]
        # Dynamic mixing needs clean speech even if the model does not see it.
        if supervised or (mode == "train" and configuration.get("preprocessor") == "enh"):
            entries.append(data_entry(clean, "speech_ref1", "sound"))
        elif mode == "valid" and clean.is_file():
            entries.append(f"{clean},speech_ref1,sound")
        if len(entries) > 1 and noise_branch and noise.is_file() and (supervised or mode == "valid"):
            entries.append(f"{noise},noise_ref1,sound")
        check_size(mode, data_dir, entries[0].split(",")[0], configuration.get("batch_size", 1))
        for entry in entries:
            options += [f"--{mode}_data_path_and_name_and_type", entry]
        options += [f"--{mode}_shape_file", shape_file(data_dir / "utt2num_samples", Path(entries[0].split(",")[0]))]
        for kind in () if supervised else REFERENCES:
            if model_conf.get("weights", {}).get(f"adversarial_{kind}"):
                folder = folders.get(f"{kind}_prior", data_dirs)[index]
                options += [f"--{mode}_{kind}_prior", str(_prior(folder, kind))]
    return options


def _prior(folder: Path, kind: str) -> Path:
    """Return the list of clean speech or of noise in ``folder``.

    Raises:
        UserError: there is none.
    """
    for name in (REFERENCES[kind], "wav.scp"):
        # The wav.scp of a set of mixtures has neither clean speech nor noise.
        if (folder / name).is_file() and (name != "wav.scp" or not (folder / REFERENCES["clean"]).is_file()):
            return folder / name
    raise UserError(
        f"{folder}: holds neither {REFERENCES[kind]} nor a wav.scp of {kind} recordings; pass another folder "
        f"with --folder {kind}_prior=TRAIN_DIR,VALID_DIR"
    )
