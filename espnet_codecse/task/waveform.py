"""Training of ESPnet's networks on waveforms, the baselines of systems on embeddings."""

import argparse
from collections.abc import Mapping
from typing import Any

from espnet2.tasks import enh
from espnet2.utils.types import str_or_none

from espnet_codecse.preprocess.paired_crop import PairedCrop
from espnet_codecse.preprocess.rank_seed import with_rank_seed
from espnet_codecse.task.sync_debug import add_step_options
from espnet_codecse.task.trainer import CrashSafeTrainer
from espnet_codecse.task.training import Pair, check_size, data_entry, shape_file


class WaveformTask(enh.EnhancementTask):
    """:class:`espnet2.tasks.enh.EnhancementTask` with random segments, as the task on embeddings cuts them."""

    trainer = CrashSafeTrainer

    @classmethod
    def add_task_arguments(cls, parser: argparse.ArgumentParser) -> None:
        """Add this task's options to ESPnet's."""
        super().add_task_arguments(parser)
        group = parser.add_argument_group(description="Waveform related")
        group.add_argument("--task", default="waveform", help="Type of model")
        group.add_argument("--codec", type=str_or_none, default=None, help="Not used")
        group.add_argument("--crop_seconds", type=float, default=None, help="Length of random training segments, s")
        add_step_options(group)

    @classmethod
    def build_preprocess_fn(cls, args: argparse.Namespace, train: bool):
        """Return ESPnet's preprocessor, followed by a random crop if configured."""
        before = with_rank_seed(train, super().build_preprocess_fn(args, train))
        if args.crop_seconds is None:
            return before
        return PairedCrop(train, round(args.crop_seconds * args.sample_rate), 1, before)


def training_data(configuration: dict[str, Any], data_dirs: Pair, folders: Mapping[str, Pair]) -> list[str]:
    """Return ESPnet's data options; see :func:`espnet_codecse.task.training.training_options`.

    Args:
        configuration: the training's configuration.
        data_dirs: formatted data directories.
        folders: not used.

    Raises:
        UserError: a file is missing, or a set is empty.
    """
    num_spk = configuration["separator_conf"]["num_spk"]
    options: list[str] = []
    for mode, data_dir in zip(("train", "valid"), data_dirs):
        entries = [data_entry(data_dir / "wav.scp", "speech_mix", "sound")]
        for speaker in range(1, num_spk + 1):
            entries.append(data_entry(data_dir / f"spk{speaker}.scp", f"speech_ref{speaker}", "sound"))
        check_size(mode, data_dir, str(data_dir / "wav.scp"), configuration.get("batch_size", 1))
        for entry in entries:
            options += [f"--{mode}_data_path_and_name_and_type", entry]
        options += [f"--{mode}_shape_file", shape_file(data_dir / "utt2num_samples", data_dir / "wav.scp")]
    return options
