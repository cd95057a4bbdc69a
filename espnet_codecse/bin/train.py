"""Train one step of a system; options that are not listed here go to ESPnet's trainer.

    codecse train --config exp/X/train.yaml --train_dir dump/raw/train --valid_dir dump/raw/valid \\
        --train_embeddings dump/codec/small_continuous/train --valid_embeddings dump/codec/small_continuous/valid \\
        --output_dir exp/X --max_epoch 30

With --train_embeddings and --valid_embeddings the model reads stored embeddings; without them it reads waveforms and
encodes them on the fly. Losses on waveforms read waveform references in both cases. --folder names the further folders
that some systems read. The same command resumes after the last complete epoch.

--ngpu N trains on N GPUs of this machine. Processes started by torchrun, or by a Slurm step with several tasks, train
together. --batch_size is always the total over all processes.
"""

import argparse
import os
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from espnet_codecse.bin.numbers import natural, positive


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of the options that do not go to ESPnet."""
    parser = argparse.ArgumentParser(
        prog="codecse train", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--config", type=Path, required=True, help="yaml written by codecse config")
    add("--output_dir", type=Path, required=True, help="experiment folder")
    add("--train_dir", type=Path, required=True, help="formatted data directory")
    add("--valid_dir", type=Path, required=True, help="formatted data directory")
    add("--train_embeddings", type=Path, help="folder written by codecse extract")
    add("--valid_embeddings", type=Path, help="folder written by codecse extract")
    add(
        "--folder",
        type=_named_pair,
        action="append",
        default=[],
        metavar="NAME=TRAIN,VALID",
        help="further folders that the system reads, such as clean_prior=dump/raw/a,dump/raw/b; may be repeated",
    )
    add(
        "--log_audio",
        type=natural,
        default=0,
        metavar="N",
        help="after each epoch, enhance N validation utterances and log audio and spectrograms to TensorBoard (and "
        "wandb, with --use_wandb true) (default: %(default)s)",
    )
    add("--batch_size", type=positive, help="mixtures per step (default: the configuration's)")
    add(
        "--sync_debug",
        choices=["none", "warn", "error"],
        default="none",
        help="report code of a training step that makes the host wait for the GPU (default: %(default)s)",
    )
    return parser


def _named_pair(text: str) -> tuple[str, tuple[Path, Path]]:
    name, folders = text.split("=", 1)
    train, valid = folders.split(",")
    return name, (Path(train), Path(valid))


def main(argv: list[str] | None = None) -> None:
    """Check that data and codec belong together, and run ESPnet's trainer."""
    args, espnet_options = get_parser().parse_known_args(sys.argv[1:] if argv is None else argv)
    import yaml

    from espnet_codecse.errors import UserError
    from espnet_codecse.fileio import atomic_path
    from espnet_codecse.job.lock import exclusive
    from espnet_codecse.job.resources import allow_open_files
    from espnet_codecse.task.configuration import STARTED, check_unchanged
    from espnet_codecse.task.model_types import model_type_of
    from espnet_codecse.task.old_names import with_current_names
    from espnet_codecse.task.training import read_configuration, training_options

    folders = dict(args.folder)
    if (args.train_embeddings is None) != (args.valid_embeddings is None):
        raise UserError("--train_embeddings and --valid_embeddings go together; pass both or neither")
    if args.train_embeddings is not None:
        folders["embeddings"] = args.train_embeddings, args.valid_embeddings
    data_dirs = args.train_dir, args.valid_dir
    options = training_options(args.config, data_dirs, folders, args.batch_size, espnet_options)
    configuration = with_current_names(read_configuration(args.config, espnet_options))
    check_unchanged(args.output_dir / STARTED, configuration)
    # ESPnet's name for it; what it plots by default, attention, separators do not have.
    options += ["--num_att_plot", str(args.log_audio)]
    if args.batch_size is not None:
        options += ["--batch_size", str(args.batch_size)]
    from espnet_codecse.task.device import check_sync_debug, device_options

    on_devices = device_options(espnet_options)
    check_sync_debug(args.sync_debug, [*on_devices, *espnet_options])
    options += ["--sync_debug", args.sync_debug] if args.sync_debug != "none" else []
    _check_initial_weights(configuration, espnet_options)
    task = model_type_of(configuration).load("task")
    command = ["--config", str(args.config), "--output_dir", str(args.output_dir), "--resume", "true"]
    allow_open_files(_num_workers(configuration, espnet_options))
    # Processes that train together share the folder; the first one holds it.
    first = (os.environ.get("RANK") or os.environ.get("SLURM_PROCID") or "0") == "0"
    with exclusive(args.output_dir) if first else nullcontext():
        if first:
            with atomic_path(args.output_dir / STARTED) as temporary:
                temporary.write_text(yaml.safe_dump(configuration, sort_keys=False))
        task.main(cmd=[*command, *on_devices, *options, *espnet_options])


def _num_workers(configuration: dict[str, Any], espnet_options: list[str]) -> int:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--num_workers", default=configuration.get("num_workers", 1))  # 1 is ESPnet's default
    try:
        return int(parser.parse_known_args(espnet_options)[0].num_workers)
    except (TypeError, ValueError):
        return 0  # ESPnet refuses it


def _check_initial_weights(configuration: dict[str, Any], espnet_options: list[str]) -> None:
    """Check that every file of ``--init_param`` holds only plain tensors, since ESPnet would run the code of a pickle.

    Raises:
        UserError: a file holds anything else.
    """
    from espnet_codecse.checkpoint import load_checkpoint

    parser = argparse.ArgumentParser(add_help=False)  # with abbreviations, which ESPnet's parser accepts
    parser.add_argument("--init")  # another option of ESPnet's
    parser.add_argument("--init_param", nargs="*", default=configuration.get("init_param") or [])
    for value in parser.parse_known_args(espnet_options)[0].init_param:
        load_checkpoint(Path(value.split(":")[0]))


if __name__ == "__main__":
    main()
