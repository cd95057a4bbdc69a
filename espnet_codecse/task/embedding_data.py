"""What a training on codec embeddings reads: stored embeddings, or waveforms that are encoded on the fly."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from espnet_codecse.errors import UserError
from espnet_codecse.fileio import read_scp
from espnet_codecse.task.configuration import needs_waveform_reference
from espnet_codecse.task.training import Pair, check_size, data_entry


def training_data(configuration: dict[str, Any], data_dirs: Pair, folders: Mapping[str, Pair]) -> list[str]:
    """Return ESPnet's data options; see :func:`espnet_codecse.task.training.training_options`.

    Args:
        configuration: of the training.
        data_dirs: formatted data directories.
        folders: ``embeddings``: with their stored embeddings; without it, they are encoded on the fly.

    Raises:
        KeyError: the configuration is incomplete.
        UserError: a file is missing, the sets are empty, or the embeddings are another
            codec's or incomplete.
    """
    codec, criterions = configuration["encoder_conf"]["codec"], configuration["criterions"]
    if not (codec and criterions):
        raise KeyError("codec" if criterions else "criterions")
    num_spk = configuration.get("separator_conf", {}).get("num_spk", 1)
    waveform_reference = needs_waveform_reference(configuration)
    embedding_dirs: tuple[Path | None, ...] = folders.get("embeddings", (None, None))
    normalization = configuration.get("separator_conf", {}).get("normalize")
    if embedding_dirs[0] is None and normalization == "global":
        raise UserError(
            "separator_conf normalize: global needs the statistics of stored embeddings; train from stored ones, or "
            "set normalize: utterance in the recipe's conf"
        )
    options: list[str] = []
    for mode, data_dir, embedding_dir in zip(("train", "valid"), data_dirs, embedding_dirs):
        if embedding_dir is not None:
            _check_embeddings(embedding_dir, codec)
        entries = [_entry(data_dir, embedding_dir, "wav.scp", "emb_mix.scp", "speech_mix")]
        for speaker in range(1, num_spk + 1):
            stored = None if waveform_reference else embedding_dir
            names = (f"spk{speaker}.scp", f"emb_ref{speaker}.scp", f"speech_ref{speaker}")
            entries.append(_entry(data_dir, stored, *names))
        check_size(mode, data_dir, entries[0].split(",")[0], configuration.get("batch_size", 1))
        for entry in entries:
            options += [f"--{mode}_data_path_and_name_and_type", entry]
        shape = embedding_dir / "utt2num_frames" if embedding_dir is not None else data_dir / "utt2num_samples"
        options += [f"--{mode}_shape_file", str(shape)]
    return options


def _entry(data_dir: Path, embedding_dir: Path | None, waveform: str, stored: str, name: str) -> str:
    if embedding_dir is None:
        return data_entry(data_dir / waveform, name, "sound")
    return data_entry(embedding_dir / stored, name, "kaldi_ark")


def _check_embeddings(folder: Path, codec_name: str) -> None:
    """Compare the codec, and read the last matrix of every ark: a cut one would stop the training hours later."""
    from espnet_codecse.codec import load_codec
    from espnet_codecse.embedding.ark import read_ark
    from espnet_codecse.embedding.description import check_codec

    check_codec(folder, load_codec(codec_name))
    for scp in folder.glob("emb_*.scp"):
        last: dict[str, int] = {}
        for location in read_scp(scp).values():
            ark, offset = location.rsplit(":", 1)
            last[ark] = max(int(offset), last.get(ark, 0))
        for ark, start in last.items():
            read_ark(f"{ark}:{start}")
