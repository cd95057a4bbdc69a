"""Training of the two steps of ``fuse`` and of the baseline ``sgmse`` with ESPnet."""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from espnet2.tasks import enh
from espnet2.utils.nested_dict_action import NestedDictAction
from espnet2.utils.types import str2bool, str_or_none

from espnet_codecse.embedding.description import EmbeddingDescription, check_codec, check_levels, read_description
from espnet_codecse.errors import UserError
from espnet_codecse.fuse.build import build_fuse_model, build_vae_model
from espnet_codecse.fuse.model import FuseModel
from espnet_codecse.fuse.spectrogram import CompressedSpectrogram
from espnet_codecse.fuse.vae_model import FuseVAEModel
from espnet_codecse.preprocess.rank_seed import with_rank_seed
from espnet_codecse.preprocess.window_crop import LevelledCrop, WindowCrop
from espnet_codecse.task.padding_task import PaddingTask
from espnet_codecse.task.sync_debug import add_step_options
from espnet_codecse.task.trainer import CrashSafeTrainer
from espnet_codecse.task.training import Pair, check_size, data_entry, shape_file

CONFIGURATIONS = {
    "spectrogram_conf": "Arguments of CompressedSpectrogram",
    "vae_conf": "Arguments of SpectrogramVAE, the same in both steps",
    "denoiser_conf": "Arguments of Denoiser or ConvDenoiser",
    "diffusion_conf": "Arguments of diffusers' DDIMScheduler",
    "guidance_conf": "Kind and model of the features, and arguments of Guidance",
    "model_conf": "Weights of the VAE's losses",
    "objective_conf": "Diffusion times seen in training: matched_steps, matched_portion of FuseModel",
}
STORED = ("latent_mix", "latent_ref1", "guidance")


class FuseVAETask(PaddingTask):
    """The first step, on ``speech_mix`` and ``speech_ref1``. Both steps accept the options of both."""

    num_optimizers: int = 1
    trainer = CrashSafeTrainer
    task_name = "fuse_vae"

    @classmethod
    def add_task_arguments(cls, parser: argparse.ArgumentParser) -> None:
        """Add this task's options to ESPnet's."""
        group = parser.add_argument_group(description="Fuse")
        group.add_argument("--task", default=cls.task_name, help="Type of model")
        group.add_argument("--codec", type=str_or_none, default=None, help="Codec for guidance by its embedding")
        for name, text in CONFIGURATIONS.items():
            group.add_argument(f"--{name}", action=NestedDictAction, default={}, help=text)
        group.add_argument("--denoiser", default="unet", help="unet or convolutional")
        group.add_argument("--window_frames", type=int, default=256, help="Frames of a window at inference")
        group.add_argument("--train_frames", type=int, default=None, help="Frames of a training window, if shorter")
        group.add_argument("--use_vae", type=str2bool, default=True, help="False: diffuse the spectrogram itself")
        group.add_argument("--average_decay", type=float, default=0.999, help="Decay of the weights' moving average")
        group.add_argument("--latents_fingerprint", default="", help="Fingerprint of the VAE of stored latents")
        group.add_argument(
            "--stored_hops", action=NestedDictAction, default={}, help="Samples per frame of stored sequences"
        )
        add_step_options(group)

    @classmethod
    def build_preprocess_fn(
        cls, args: argparse.Namespace, train: bool
    ) -> Callable[[str, dict[str, np.ndarray]], dict[str, np.ndarray]] | None:
        """Return the crop of random windows."""
        return window_crop(WindowCrop, args, CompressedSpectrogram(**args.spectrogram_conf), train, args.stored_hops)

    @classmethod
    def required_data_names(cls, train: bool = True, inference: bool = False) -> tuple[str, ...]:
        """Return the data that every training reads."""
        return ("speech_mix", "speech_ref1")

    @classmethod
    def optional_data_names(cls, train: bool = True, inference: bool = False) -> tuple[str, ...]:
        """Return the data that some trainings read."""
        return ()

    @classmethod
    def build_model(cls, args: argparse.Namespace) -> FuseVAEModel:
        """Build the model.

        Raises:
            UserError: a value of the configuration is unknown or does not fit.
        """
        return build_vae_model(args.spectrogram_conf, args.vae_conf, args.model_conf, args.window_frames)


class FuseTask(FuseVAETask):
    """The second step, on waveforms or on stored latents and features."""

    task_name = "fuse"

    @classmethod
    def required_data_names(cls, train: bool = True, inference: bool = False) -> tuple[str, ...]:
        """Return the data that every training reads."""
        return ()

    @classmethod
    def optional_data_names(cls, train: bool = True, inference: bool = False) -> tuple[str, ...]:
        """Return the data that some trainings read."""
        return ("speech_mix", "speech_ref1", *STORED)

    @classmethod
    def build_model(cls, args: argparse.Namespace) -> FuseModel:
        """Build the model, and write the description of the features into ``args``, which ESPnet saves.

        Raises:
            UserError: a value of the configuration is unknown or does not fit.
        """
        # Configurations of earlier versions, such as those in packs, have neither key.
        denoiser, objective_conf = getattr(args, "denoiser", "unet"), getattr(args, "objective_conf", {})
        return build_fuse_model(
            args.spectrogram_conf, args.vae_conf, args.denoiser_conf, args.diffusion_conf, args.guidance_conf,
            args.window_frames, args.use_vae, args.average_decay, args.codec, args.latents_fingerprint, denoiser,
            objective_conf,
        )  # fmt: skip


class SGMSETask(enh.EnhancementTask):
    """ESPnet's enhancement task with ``diffusion_model: sgmse``, on windows of the same length as in ``fuse``."""

    trainer = CrashSafeTrainer

    @classmethod
    def add_task_arguments(cls, parser: argparse.ArgumentParser) -> None:
        """Add this task's options to ESPnet's."""
        super().add_task_arguments(parser)
        group = parser.add_argument_group(description="Windows")
        group.add_argument("--task", default="sgmse", help="Type of model")
        group.add_argument("--codec", type=str_or_none, default=None, help="Not used")
        group.add_argument("--window_frames", type=int, default=256, help="Frames of a window at inference")
        group.add_argument("--train_frames", type=int, default=None, help="Frames of a training window, if shorter")
        add_step_options(group)

    @classmethod
    def build_preprocess_fn(cls, args: argparse.Namespace, train: bool):
        """Return the crop of random windows, scaled to a peak of 1."""
        conf = args.encoder_conf
        return window_crop(LevelledCrop, args, CompressedSpectrogram(conf["n_fft"], conf["hop_length"]), train, {})


def window_crop(
    kind, args: argparse.Namespace, spectrogram: CompressedSpectrogram, train: bool, hops: dict[str, int]
) -> WindowCrop:
    """Return the crop of a task's windows; windows start on whole frames of stored latents."""
    before = with_rank_seed(train)
    frames = args.train_frames or args.window_frames
    step = max([spectrogram.hop, *(hop for name, hop in hops.items() if name.startswith("latent"))])
    # With stored latents the window must consist of whole latent frames.
    samples = frames * spectrogram.hop if step > spectrogram.hop else spectrogram.num_samples(frames)
    return kind(train, samples, step, {name: int(hop) for name, hop in hops.items()}, before)


def training_data(configuration: dict[str, Any], data_dirs: Pair, folders: Mapping[str, Pair]) -> list[str]:
    """Return ESPnet's data options; see :func:`espnet_codecse.task.training.training_options`.

    Args:
        configuration: the training's configuration.
        data_dirs: formatted data directories.
        folders: ``latents``, written by ``codecse extract_latents --vae``, and ``guidance``, written with
            ``--guidance``. For guidance by a codec, ``embeddings`` of that codec also serve. Absent ones are computed
            on the fly. Only the second step reads them.

    Raises:
        UserError: a file is missing, a set is empty, or stored data are from another model.
    """
    second = configuration.get("task") == "fuse"
    guidance = configuration.get("guidance_conf") or {}
    stored = dict(folders) if second else {}
    kind = guidance.get("kind", "none") if second else "none"
    if kind == "codec" and "guidance" not in stored and "embeddings" in stored:
        stored["guidance"] = stored["embeddings"]
    if kind == "none":
        stored.pop("guidance", None)
    if not configuration.get("use_vae", True):
        stored.pop("latents", None)
    options: list[str] = []
    hops: dict[str, int] = {}
    for index, (mode, data_dir) in enumerate(zip(("train", "valid"), data_dirs)):
        entries = []
        needs_speech = "latents" not in stored or (kind != "none" and "guidance" not in stored)
        if "latents" in stored:
            folder = stored["latents"][index]
            for stream in ("mix", "ref1"):
                entries.append(data_entry(folder / f"emb_{stream}.scp", f"latent_{stream}", "kaldi_ark"))
                hops[f"latent_{stream}"] = read_description(folder).hop
        if needs_speech:
            entries.append(data_entry(data_dir / "wav.scp", "speech_mix", "sound"))
            if "latents" not in stored:
                entries.append(data_entry(data_dir / "spk1.scp", "speech_ref1", "sound"))
        if "guidance" in stored:
            folder = stored["guidance"][index]
            hops["guidance"] = _check_features(folder, kind, configuration).hop
            entries.append(data_entry(folder / "emb_mix.scp", "guidance", "kaldi_ark"))
        check_size(mode, data_dir, str(data_dir / "wav.scp"), configuration.get("batch_size", 1))
        for entry in entries:
            options += [f"--{mode}_data_path_and_name_and_type", entry]
        options += [f"--{mode}_shape_file", shape_file(data_dir / "utt2num_samples", data_dir / "wav.scp")]
    if "latents" in stored:
        prints = {read_description(folder).fingerprint for folder in stored["latents"]}
        if len(prints) > 1:
            raise UserError(f"{stored['latents'][1]}: from another VAE than {stored['latents'][0]}; extract them again")
        options += ["--latents_fingerprint", prints.pop()]
    for name, hop in hops.items():
        options += ["--stored_hops", f"{name}={hop}"]
    return options


def _check_features(folder: Path, kind: str, configuration: dict[str, Any]) -> EmbeddingDescription:
    """Check that ``folder`` holds the features of the configuration, and return its description."""
    from espnet_codecse.features import load_features

    model = configuration.get("codec") if kind == "codec" else configuration["guidance_conf"].get("model")
    description = check_codec(folder, load_features(f"{kind}:{model}"))
    check_levels(folder, None)
    if description.layer != "continuous":
        raise UserError(
            f"{folder}: holds the layer '{description.layer}'; guidance must be continuous, extract it again"
        )
    return description
