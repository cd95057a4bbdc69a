"""What a training of the dual-branch system reads: recordings with their references, or unpaired lists."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from espnet_codecse.errors import UserError
from espnet_codecse.task.training import Pair, check_size, data_entry

REFERENCES = {"clean": "spk1.scp", "noise": "noise1.scp"}


def training_data(configuration: dict[str, Any], data_dirs: Pair, folders: Mapping[str, Pair]) -> list[str]:
    """Return ESPnet's data options; see :func:`espnet_codecse.task.training.training_options`.

    Supervised, the references of the input are read; where there is no ``noise1.scp``, the noise is what is not speech.
    Unsupervised, they are not, but for the validation, where those that exist only show in the log what the branches
    hold; unpaired lists take their place, of the ensembles that the configuration has.

    Args:
        configuration: of the training.
        data_dirs: formatted data directories.
        folders: ``clean_prior``, ``noise_prior``: data directories with recordings of clean speech and of noise; of a
            set of mixtures, the references are taken. Without them those of ``data_dirs`` are.

    Raises:
        UserError: a file is missing or the sets are empty.
    """
    model_conf = configuration["model_conf"]
    supervised = model_conf.get("supervised", True)
    noise_branch = configuration.get("generator_conf", {}).get("noise_branch", True)
    options: list[str] = []
    for index, (mode, data_dir) in enumerate(zip(("train", "valid"), data_dirs)):
        entries = [data_entry(data_dir / "wav.scp", "speech_mix", "sound")]
        clean, noise = data_dir / REFERENCES["clean"], data_dir / REFERENCES["noise"]
        # Dynamic mixing starts from clean speech, whether the model sees that or not.
        if supervised or (mode == "train" and configuration.get("preprocessor") == "enh"):
            entries.append(data_entry(clean, "speech_ref1", "sound"))
        elif mode == "valid" and clean.is_file():
            entries.append(f"{clean},speech_ref1,sound")
        if len(entries) > 1 and noise_branch and noise.is_file() and (supervised or mode == "valid"):
            entries.append(f"{noise},noise_ref1,sound")
        check_size(mode, data_dir, entries[0].split(",")[0], configuration.get("batch_size", 1))
        for entry in entries:
            options += [f"--{mode}_data_path_and_name_and_type", entry]
        options += [f"--{mode}_shape_file", str(data_dir / "utt2num_samples")]
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
        # The recordings of a set of mixtures are no prior of either.
        if (folder / name).is_file() and (name != "wav.scp" or not (folder / REFERENCES["clean"]).is_file()):
            return folder / name
    raise UserError(
        f"{folder}: holds neither {REFERENCES[kind]} nor, of {kind} recordings alone, wav.scp; pass another folder "
        f"with --folder {kind}_prior=TRAIN_DIR,VALID_DIR"
    )
