"""ESPnet's enhancement task on codec embeddings."""

import argparse
import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from espnet2.enh.espnet_model import ESPnetEnhancementModel
from espnet2.enh.loss.wrappers.abs_wrapper import AbsLossWrapper
from espnet2.tasks import enh

from espnet_codecse.codec import load_codec
from espnet_codecse.codec.resolve import check_num_codebooks
from espnet_codecse.documents import load_npz
from espnet_codecse.embedding.description import check_levels
from espnet_codecse.enh.encoder.choices import ENCODERS
from espnet_codecse.enh.enhancer import BLIND_TO_LEVEL
from espnet_codecse.enh.model import EmbeddingEnhancementModel
from espnet_codecse.errors import UserError
from espnet_codecse.fileio import read_scp
from espnet_codecse.preprocess.paired_crop import PairedCrop
from espnet_codecse.preprocess.peak_level import PeakLevel
from espnet_codecse.preprocess.random_filters import add_filter_options, with_filters
from espnet_codecse.preprocess.rank_seed import with_rank_seed
from espnet_codecse.preprocess.speed_perturbation import SpeedPerturbation
from espnet_codecse.task.collation import HostLengths
from espnet_codecse.task.configuration import check_embedding_source, level_rule, needs_waveform_reference
from espnet_codecse.task.sync_debug import add_step_options
from espnet_codecse.task.trainer import CrashSafeTrainer
from espnet_codecse.task.training import Pair, check_size, data_entry, shape_file


class EmbeddingEnhancementTask(enh.EnhancementTask):
    """:class:`espnet2.tasks.enh.EnhancementTask` that also trains on stored embeddings.

    It adds ``--crop_seconds``, ``--speed_perturb``, ``--equalize_db``, ``--band_limit_prob`` and ``--embedding_stats``.
    """

    trainer = CrashSafeTrainer

    @classmethod
    def add_task_arguments(cls, parser: argparse.ArgumentParser) -> None:
        """Add this task's options to ESPnet's."""
        super().add_task_arguments(parser)
        group = parser.add_argument_group(description="Embedding related")
        group.add_argument("--crop_seconds", type=float, default=None, help="Length of random training segments, s")
        group.add_argument(
            "--speed_perturb", type=int, nargs="*", default=[], help="Speeds of training speakers, percent: 95 100 105"
        )
        add_filter_options(group)
        add_step_options(group)
        group.add_argument(
            "--embedding_stats",
            default=None,
            help="stats.npz of stage 4, for normalize: global; without it they are those of 200 training mixtures",
        )

    @classmethod
    def main_worker(cls, args: argparse.Namespace) -> None:
        """Train; see ESPnet's method. The statistics that the separator needs are computed if they are not given."""
        if args.encoder in ENCODERS and args.embedding_stats is None and cls._normalizes_globally(args):
            if any(kind == "kaldi_ark" for _, _, kind in args.train_data_path_and_name_and_type):
                raise UserError("--embedding_stats: missing, but the separator normalises by them; run stage 4")
            from espnet_codecse.task.statistics import logging_left_alone, training_statistics

            codec = load_codec(args.encoder_conf["codec"], device="cuda" if args.ngpu > 0 else "cpu")
            with logging_left_alone():
                args.embedding_stats = str(training_statistics(args, cls.build_preprocess_fn(args, True), codec))
        super().main_worker(args)

    @classmethod
    def build_collate_fn(cls, args: argparse.Namespace, train: bool):
        """Return ESPnet's collation, with the lengths on the host for models on embeddings."""
        collate = super().build_collate_fn(args, train)
        return HostLengths(collate) if args.encoder in ENCODERS else collate

    @staticmethod
    def _normalizes_globally(args: argparse.Namespace) -> bool:
        parameter = inspect.signature(enh.separator_choices.get_class(args.separator)).parameters.get("normalize")
        return parameter is not None and args.separator_conf.get("normalize", parameter.default) == "global"

    @classmethod
    def build_preprocess_fn(cls, args: argparse.Namespace, train: bool):
        """Return ESPnet's preprocessor, followed by speed perturbation, filters, levels and paired crop if configured.

        Raises:
            UserError: an augmentation of waveforms is configured for stored embeddings.
        """
        if any(kind == "kaldi_ark" for _, _, kind in args.train_data_path_and_name_and_type):
            for option in ("speed_perturb", "equalize_db", "band_limit_prob"):
                if getattr(args, option):
                    raise UserError(
                        f"--{option}: stored embeddings can be neither resampled nor filtered; train with "
                        "--embedding_source on_the_fly"
                    )
        before = super().build_preprocess_fn(args, train)
        before = with_rank_seed(train, before)
        if args.speed_perturb:
            before = SpeedPerturbation(train, args.speed_perturb, before)
        if args.encoder not in ENCODERS:
            return before
        codec = load_codec(args.encoder_conf["codec"])
        before = with_filters(args, train, codec.sample_rate, before)
        levels = level_rule({"model_conf": args.model_conf})
        for path, _, kind in (*args.train_data_path_and_name_and_type, *args.valid_data_path_and_name_and_type):
            if kind == "kaldi_ark":  # again: options of ESPnet may have changed the configuration
                check_levels(Path(path).parent, levels)
        if levels is not None:  # of whole recordings, as in inference
            before = PeakLevel(train, levels, before)
        if args.crop_seconds is None:
            return before
        num_frames = codec.num_frames(round(args.crop_seconds * codec.sample_rate))
        return PairedCrop(train, num_frames, codec.hop, before)

    @classmethod
    def build_model(cls, args: argparse.Namespace) -> ESPnetEnhancementModel:
        """Build encoder, separator, decoder and losses from the configuration.

        Raises:
            UserError: the gate's activation is not the codec's, or the statistics are missing or from another codec.
        """
        if args.encoder not in ENCODERS:
            return super().build_model(args)
        encoder = enh.encoder_choices.get_class(args.encoder)(**args.encoder_conf)
        separator_class = enh.separator_choices.get_class(args.separator)
        # ESPnet saves the configuration after this, so the experiment records the identity of its codec.
        args.encoder_conf["fingerprint"] = encoder.codec("cpu").fingerprint
        cls._match_activation(args, separator_class, encoder.codec("cpu"))
        cls._match_codebooks(args, encoder.codec("cpu"))
        separator = separator_class(encoder.output_dim, **args.separator_conf)
        decoder = enh.decoder_choices.get_class(args.decoder)(**args.decoder_conf)
        cls._set_statistics(args, separator, encoder.codec("cpu"))
        return EmbeddingEnhancementModel(
            encoder=encoder,
            separator=separator,
            decoder=decoder,
            mask_module=None,
            loss_wrappers=build_loss_wrappers(args.criterions),
            **args.model_conf,
        )

    @staticmethod
    def _match_activation(args: argparse.Namespace, separator_class, codec) -> None:
        """Set the gate's activation to that of the codec."""
        if "activation" not in inspect.signature(separator_class).parameters:
            return
        given = args.separator_conf.get("activation", "auto")
        if given not in ("auto", codec.activation):
            raise UserError(
                f"separator_conf.activation is '{given}', but the encoder of {codec.name} ends in "
                f"'{codec.activation}'; leave it at 'auto'"
            )
        args.separator_conf["activation"] = codec.activation

    @staticmethod
    def _match_codebooks(args: argparse.Namespace, codec) -> None:
        """Set the size of predicted codebooks to that of the codec.

        Raises:
            UserError: the codec has fewer codebooks, or the losses are not those of what the separator predicts.
        """
        number = args.separator_conf.get("predicted_codebooks", 0)
        uses_codes = [item["name"] == "code_cross_entropy" for item in args.criterions]
        if any(uses_codes) != bool(number) or any(uses_codes) != all(uses_codes):
            raise UserError("criterions: code_cross_entropy and separator_conf predicted_codebooks need each other")
        if number:
            check_num_codebooks(codec, number)
            args.separator_conf["codebook_size"] = codec.codebook_size

    @staticmethod
    def _set_statistics(args: argparse.Namespace, separator: torch.nn.Module, codec) -> None:
        """Load ``--embedding_stats`` into the separator, if it normalises."""
        normalization = getattr(separator, "normalization", None)
        stats = getattr(args, "embedding_stats", None)
        if normalization is None or not stats:
            return
        content = load_npz(stats, ("mean", "std", "fingerprint"), "run stage 4 again (codecse embedding_stats)")
        if str(content["fingerprint"]) != codec.fingerprint:
            raise UserError(
                f"--embedding_stats {stats}: made with the codec {content['fingerprint']}, but {codec.name} is "
                f"{codec.fingerprint}; run stages 3 and 4 again"
            )
        mean, std = content["mean"], content["std"]
        if any(array.shape != (codec.dim,) or array.dtype != np.float32 for array in (mean, std)) or (std < 0).any():
            raise UserError(f"--embedding_stats {stats}: not statistics of {codec.dim} channels; run stage 4 again")
        normalization.set_statistics(torch.from_numpy(mean), torch.from_numpy(std))


def training_data(configuration: dict[str, Any], data_dirs: Pair, folders: Mapping[str, Pair]) -> list[str]:
    """Return ESPnet's data options; see :func:`espnet_codecse.task.training.training_options`.

    Args:
        configuration: the training's configuration.
        data_dirs: formatted data directories.
        folders: ``embeddings``: folders of stored embeddings; default: encode on the fly.

    Raises:
        KeyError: the configuration is incomplete.
        UserError: a file is missing, a set is empty, or the embeddings are incomplete, or of another codec or level.
    """
    codec, criterions = configuration["encoder_conf"]["codec"], configuration["criterions"]
    if not (codec and criterions):
        raise KeyError("codec" if criterions else "criterions")
    num_spk = configuration.get("separator_conf", {}).get("num_spk", 1)
    waveform_reference = needs_waveform_reference(configuration)
    embedding_dirs: tuple[Path | None, ...] = folders.get("embeddings", (None, None))
    check_embedding_source(configuration, embedding_dirs[0] is not None)
    levels = level_rule(configuration)
    if waveform_reference and embedding_dirs[0] is not None and levels is not None and levels.reference_peak is None:
        losses = {item["name"] for item in criterions} - {"embedding_mse", *BLIND_TO_LEVEL}
        if losses:
            raise UserError(
                f"criterions: {losses.pop()} compares levels, but stored mixtures are scaled to model_conf peak and "
                "waveform references are not; train with --embedding_source on_the_fly"
            )
    options: list[str] = []
    for mode, data_dir, embedding_dir in zip(("train", "valid"), data_dirs, embedding_dirs):
        if embedding_dir is not None:
            _check_embeddings(embedding_dir, codec)
            check_levels(embedding_dir, levels)
        entries = [_entry(data_dir, embedding_dir, "wav.scp", "emb_mix.scp", "speech_mix")]
        for speaker in range(1, num_spk + 1):
            stored = None if waveform_reference else embedding_dir
            names = (f"spk{speaker}.scp", f"emb_ref{speaker}.scp", f"speech_ref{speaker}")
            entries.append(_entry(data_dir, stored, *names))
        check_size(mode, data_dir, entries[0].split(",")[0], configuration.get("batch_size", 1))
        for entry in entries:
            options += [f"--{mode}_data_path_and_name_and_type", entry]
        shape = embedding_dir / "utt2num_frames" if embedding_dir is not None else data_dir / "utt2num_samples"
        options += [f"--{mode}_shape_file", shape_file(shape, Path(entries[0].split(",")[0]))]
    return options


def _entry(data_dir: Path, embedding_dir: Path | None, waveform: str, stored: str, name: str) -> str:
    if embedding_dir is None:
        return data_entry(data_dir / waveform, name, "sound")
    return data_entry(embedding_dir / stored, name, "kaldi_ark")


def _check_embeddings(folder: Path, codec_name: str) -> None:
    """Check the codec, and read the last matrix of every ark: a truncated one would stop the training hours later."""
    from espnet_codecse.codec import load_codec
    from espnet_codecse.embedding.ark import read_ark, split_location
    from espnet_codecse.embedding.description import check_codec

    check_codec(folder, load_codec(codec_name))
    for scp in folder.glob("emb_*.scp"):
        last: dict[str, int] = {}
        for location in read_scp(scp).values():
            # Where an entry of a list that the training reads is anything else, check_arks names it.
            ark, offset = split_location(location) or ("", 0)
            last[ark] = max(offset, last.get(ark, 0))
        last.pop("", None)
        for ark, last_offset in last.items():
            read_ark(f"{ark}:{last_offset}")


def build_loss_wrappers(criterions: Sequence[Mapping[str, Any]]) -> list[AbsLossWrapper]:
    """Return one wrapper with its criterion per ``{"name", "conf", "wrapper", "wrapper_conf"}``."""
    return [
        enh.loss_wrapper_choices.get_class(item["wrapper"])(
            criterion=enh.criterion_choices.get_class(item["name"])(**item.get("conf", {})),
            **item.get("wrapper_conf", {}),
        )
        for item in criterions
    ]
