"""From data directories and embedding folders to ESPnet's data options."""

from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

import yaml

from espnet_codecse.errors import UserError
from espnet_codecse.fileio import read_scp
from espnet_codecse.task.configuration import needs_waveform_reference

Folders = Tuple[Optional[Path], Optional[Path]]


def training_options(
    config: Path, data_dirs: Tuple[Path, Path], embedding_dirs: Folders, batch_size: Optional[int] = None
) -> List[str]:
    """Return ``--train_data_path_and_name_and_type ...`` and the like for train and valid.

    Args:
        config: the training's yaml.
        data_dirs: train and valid data directories.
        embedding_dirs: the folders with their stored embeddings; None encodes on the fly.
        batch_size: mixtures a step; None is the configuration's.

    Raises:
        UserError: ``config`` is no training's configuration, a file is missing, the sets are empty, or the embeddings
            are another codec's or incomplete.
    """
    configuration = _read_configuration(config)
    batch_size = configuration.get("batch_size", 1) if batch_size is None else batch_size
    num_spk = configuration.get("separator_conf", {}).get("num_spk", 1)
    waveform_reference = needs_waveform_reference(configuration)
    if (embedding_dirs[0] is None) != (embedding_dirs[1] is None):
        raise UserError("--train_embeddings and --valid_embeddings go together; pass both or neither")
    normalization = configuration.get("separator_conf", {}).get("normalize")
    if embedding_dirs[0] is None and normalization == "global":
        raise UserError(
            f"{config}: normalize: global needs the statistics of stored embeddings; train from stored ones, or set "
            "separator_conf normalize: utterance in the recipe's conf"
        )
    options: List[str] = []
    for mode, data_dir, embedding_dir in zip(("train", "valid"), data_dirs, embedding_dirs):
        if embedding_dir is not None:
            _check_embeddings(embedding_dir, configuration["encoder_conf"]["codec"])
        entries = [_entry(data_dir, embedding_dir, "wav.scp", "emb_mix.scp", "speech_mix")]
        for speaker in range(1, num_spk + 1):
            stored = None if waveform_reference else embedding_dir
            names = (f"spk{speaker}.scp", f"emb_ref{speaker}.scp", f"speech_ref{speaker}")
            entries.append(_entry(data_dir, stored, *names))
        num_utterances = len(read_scp(entries[0].split(",")[0]))
        if num_utterances == 0:
            raise UserError(f"{data_dir}: holds no utterances; check rejected.tsv there, or pass another folder")
        if mode == "train" and num_utterances < batch_size:
            raise UserError(
                f"{data_dir}: {num_utterances} utterances are fewer than batch_size {batch_size}; add data or lower "
                "it with --enhance_args '--batch_size 1'"
            )
        for entry in entries:
            options += [f"--{mode}_data_path_and_name_and_type", entry]
        shape = embedding_dir / "utt2num_frames" if embedding_dir is not None else data_dir / "utt2num_samples"
        options += [f"--{mode}_shape_file", str(shape)]
    return options


def _read_configuration(config: Path) -> Dict[str, Any]:
    try:
        configuration = yaml.safe_load(config.read_text())
        if configuration["encoder_conf"]["codec"] and configuration["criterions"]:
            return configuration
        reason = "no codec or no criterions"
    except FileNotFoundError:
        raise UserError(f"{config}: no such file; codecse config writes it") from None
    except (yaml.YAMLError, KeyError, TypeError) as error:
        reason = " ".join(str(error).split()) or "empty"
    raise UserError(f"{config}: not a configuration of codecse config ({reason}); write it again")


def _entry(data_dir: Path, embedding_dir: Optional[Path], waveform: str, stored: str, name: str) -> str:
    file, kind = (data_dir / waveform, "sound") if embedding_dir is None else (embedding_dir / stored, "kaldi_ark")
    if not file.is_file():
        raise UserError(f"{file}: missing, the training needs it; run the stage that writes it")
    return f"{file},{name},{kind}"


def _check_embeddings(folder: Path, codec_name: str) -> None:
    """Compare the codec, and read the last matrix of every ark: a cut one would stop the training hours later."""
    from espnet_codecse.codec import load_codec
    from espnet_codecse.embedding.ark import read_ark
    from espnet_codecse.embedding.description import check_codec

    check_codec(folder, load_codec(codec_name))
    for scp in folder.glob("emb_*.scp"):
        last = {}
        for location in read_scp(scp).values():
            ark, offset = location.rsplit(":", 1)
            last[ark] = max(int(offset), last.get(ark, 0))
        for ark, offset in last.items():
            read_ark(f"{ark}:{offset}")
