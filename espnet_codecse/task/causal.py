"""ESPnet's enhancement task for causal networks on spectra, and their teachers."""

import argparse
from collections.abc import Mapping
from typing import Any

from espnet2.enh.decoder.stft_decoder import STFTDecoder
from espnet2.enh.encoder.stft_encoder import STFTEncoder
from espnet2.tasks import enh
from espnet2.utils.nested_dict_action import NestedDictAction
from espnet2.utils.types import str_or_none

from espnet_codecse.causal.framing import SAMPLE_RATE
from espnet_codecse.causal.model import CausalEnhancementModel
from espnet_codecse.causal.separator import SEPARATORS, predicts_features
from espnet_codecse.embedding.description import check_codec, check_levels
from espnet_codecse.features import configured_features
from espnet_codecse.preprocess.paired_crop import PairedCrop
from espnet_codecse.preprocess.random_filters import add_filter_options, with_filters
from espnet_codecse.preprocess.rank_seed import with_rank_seed
from espnet_codecse.task.collation import HostLengths
from espnet_codecse.task.enhancement import build_loss_wrappers
from espnet_codecse.task.sync_debug import add_step_options
from espnet_codecse.task.trainer import CrashSafeTrainer
from espnet_codecse.task.training import Pair, check_size, data_entry, shape_file


class CausalTask(enh.EnhancementTask):
    """:class:`espnet2.tasks.enh.EnhancementTask` for causal networks, also with a teacher's features."""

    trainer = CrashSafeTrainer

    @classmethod
    def add_task_arguments(cls, parser: argparse.ArgumentParser) -> None:
        """Add this task's options to ESPnet's."""
        super().add_task_arguments(parser)
        group = parser.add_argument_group(description="Causal enhancement related")
        group.add_argument("--task", default="causal", help="Type of model")
        group.add_argument("--codec", type=str_or_none, default=None, help="Codec that serves as teacher")
        group.add_argument("--teacher_conf", action=NestedDictAction, default={}, help="Kind and model of the features")
        group.add_argument("--crop_seconds", type=float, default=None, help="Length of random training segments, s")
        add_filter_options(group)
        add_step_options(group)

    @classmethod
    def build_collate_fn(cls, args: argparse.Namespace, train: bool):
        """Return ESPnet's collation, with the lengths on the host."""
        return HostLengths(super().build_collate_fn(args, train))

    @classmethod
    def optional_data_names(cls, train: bool = True, inference: bool = False) -> tuple[str, ...]:
        """Return ESPnet's names and those of stored features."""
        return (*super().optional_data_names(train, inference), "emb_mix", "emb_ref1")

    @classmethod
    def build_preprocess_fn(cls, args: argparse.Namespace, train: bool):
        """Return ESPnet's preprocessor, followed by filters and paired crop if configured."""
        before = super().build_preprocess_fn(args, train)
        before = with_filters(args, train, SAMPLE_RATE, with_rank_seed(train, before))
        if args.crop_seconds is None:
            return before
        # Segments must consist of whole frames, also of stored features.
        hop = args.model_conf.get("feature_hop", args.encoder_conf["hop_length"])
        return PairedCrop(train, round(args.crop_seconds * SAMPLE_RATE) // hop, hop, before)

    @classmethod
    def build_model(cls, args: argparse.Namespace) -> CausalEnhancementModel:
        """Build network, front end and losses from the configuration.

        Raises:
            UserError: the teacher cannot be loaded.
        """
        conf, model_conf = args.separator_conf, dict(args.model_conf)
        taught = conf.get("condition", "none") != "none" or model_conf.get("target", "none") != "none"
        teacher = None
        # ESPnet saves the configuration after this. A trained model needs its teacher only if features are an input.
        if taught and (not conf.get("embedding_size") or model_conf.get("given", "none") != "none"):
            teacher, features = configured_features(args.teacher_conf, args.codec)
            conf["embedding_size"], args.model_conf["feature_hop"] = features.dim, features.hop
        encoder = STFTEncoder(**args.encoder_conf)
        if args.separator == "gcrn":
            conf = {**conf, "predicts": predicts_features(conf, model_conf)}
        return CausalEnhancementModel(
            encoder=encoder,
            separator=SEPARATORS[args.separator](encoder.output_dim, **conf),
            decoder=STFTDecoder(**args.decoder_conf),
            mask_module=None,
            loss_wrappers=build_loss_wrappers(args.criterions),
            teacher=teacher,
            **args.model_conf,
        )


def training_data(configuration: dict[str, Any], data_dirs: Pair, folders: Mapping[str, Pair]) -> list[str]:
    """Return ESPnet's data options; see :func:`espnet_codecse.task.training.training_options`.

    Args:
        configuration: the training's configuration.
        data_dirs: formatted data directories.
        folders: ``features``: the teacher's features, written by ``codecse extract``; default: compute on the fly.

    Raises:
        UserError: a file is missing, a set is empty, or the features are from another teacher.
    """
    model_conf = configuration["model_conf"] or {}
    wanted = {model_conf.get(name, "none") for name in ("given", "target")} - {"none"}
    options: list[str] = []
    for index, (mode, data_dir) in enumerate(zip(("train", "valid"), data_dirs)):
        entries = [data_entry(data_dir / "wav.scp", "speech_mix", "sound")]
        entries.append(data_entry(data_dir / "spk1.scp", "speech_ref1", "sound"))
        if wanted and "features" in folders:
            from espnet_codecse.features import configured_features

            folder = folders["features"][index]
            _, features = configured_features(dict(configuration["teacher_conf"]), configuration.get("codec"))
            check_codec(folder, features)
            check_levels(folder, None)
            names = {"noisy": "emb_mix", "clean": "emb_ref1"}
            entries += [data_entry(folder / f"{names[kind]}.scp", names[kind], "kaldi_ark") for kind in sorted(wanted)]
        check_size(mode, data_dir, str(data_dir / "wav.scp"), configuration.get("batch_size", 1))
        for entry in entries:
            options += [f"--{mode}_data_path_and_name_and_type", entry]
        options += [f"--{mode}_shape_file", shape_file(data_dir / "utt2num_samples", data_dir / "wav.scp")]
    return options
