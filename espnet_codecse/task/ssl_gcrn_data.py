"""What a training of ``ssl_gcrn`` reads: waveforms, and the teacher's features where they are stored."""

from collections.abc import Mapping
from typing import Any

from espnet_codecse.embedding.description import check_codec
from espnet_codecse.task.training import Pair, check_size, data_entry


def training_data(configuration: dict[str, Any], data_dirs: Pair, folders: Mapping[str, Pair]) -> list[str]:
    """Return ESPnet's data options; see :func:`espnet_codecse.task.training.training_options`.

    Args:
        configuration: of the training.
        data_dirs: formatted data directories.
        folders: ``features``: of the teacher, written by ``codecse extract``; without it, they are made on the fly.

    Raises:
        UserError: a file is missing, the sets are empty, or the features are another teacher's.
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
            names = {"noisy": "emb_mix", "clean": "emb_ref1"}
            entries += [data_entry(folder / f"{names[kind]}.scp", names[kind], "kaldi_ark") for kind in sorted(wanted)]
        check_size(mode, data_dir, str(data_dir / "wav.scp"), configuration.get("batch_size", 1))
        for entry in entries:
            options += [f"--{mode}_data_path_and_name_and_type", entry]
        options += [f"--{mode}_shape_file", str(data_dir / "utt2num_samples")]
    return options
