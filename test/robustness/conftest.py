"""Whole inputs of every kind, made once; the mutation test damages copies of them."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml
from command_server import CommandServer
from tiny_codecs import save_espnet, save_mdct
from tiny_models import SEPARATOR
from voices import RATE, voice

from espnet_codecse.corpus.data_dir import write_data_dir

SECONDS = 0.3
FORMATS = ("wav", "flac", "ogg", "mp3", "aiff", "w64", "au")


@pytest.fixture(scope="session")
def server() -> Iterator[CommandServer]:
    with CommandServer() as server:
        yield server


@pytest.fixture(scope="session")
def whole(tmp_path_factory, server) -> Path:
    """The folder of whole inputs, as a small experiment leaves them."""
    folder = tmp_path_factory.mktemp("whole")

    def run(*argv: object) -> None:
        result = server.run([str(word) for word in argv], folder)
        assert result.status == 0, result.errors

    (folder / "audio").mkdir()
    samples = voice(round(SECONDS * RATE))
    for suffix in FORMATS:
        soundfile.write(folder / "audio" / f"speech.{suffix}", samples, RATE)
    soundfile.write(folder / "audio" / "float.wav", np.stack([samples, samples], 1), 44100, subtype="FLOAT")
    codec = save_mdct(folder / "codec")
    save_espnet(folder / "espnet_codec", "soundstream")
    for name, count in (("train", 3), ("valid", 1)):
        _save_data_dir(folder, name, count)
        run("extract", "--codec", codec, "--compression", "none", folder / name, folder / "emb" / name)
    run("encode", folder / "audio" / "speech.wav", "-o", folder / "codes", "--codec", codec)
    run("embedding_stats", folder / "emb/train", folder / "stats")
    scored = ["--ref_scp", folder / "train/spk1.scp", "--inf_scp", folder / "train/wav.scp", "--metrics", "SI_SDR"]
    run("score", *scored, "--nj", 1, "--output_dir", folder / "scores")
    run("format", folder / "train", folder / "formatted", "--nj", 1)
    _save_training(folder, codec, run)
    run("pack", folder / "exp", "--output", folder / "model.zip")
    shutil.unpack_archive(folder / "model.zip", folder / "pack")
    return folder


def _save_data_dir(folder: Path, name: str, count: int) -> None:
    tables: dict[str, dict[str, str]] = {"wav.scp": {}, "spk1.scp": {}, "utt2spk": {}, "text": {}}
    for number in range(count):
        for seed, table in enumerate(("wav.scp", "spk1.scp")):
            path = folder / "audio" / f"{name}_{table}_{number}.wav"
            soundfile.write(path, voice(round(SECONDS * RATE), 10 * seed + number), RATE)
            tables[table][f"a_{number}"] = str(path)
        tables["utt2spk"][f"a_{number}"], tables["text"][f"a_{number}"] = "a", "two words"
    write_data_dir(folder / name, tables)


def _save_training(folder: Path, codec: Path, run) -> None:
    """Train an epoch, with statistics, a state to resume from, and weights."""
    recipe = folder / "conf/nac_se"
    recipe.mkdir(parents=True)
    changes = {"batch_size": 2, "crop_seconds": None, "num_workers": 0, "max_epoch": 1}
    separator = {**SEPARATOR, "normalize": "global"}
    (recipe / "1_enhance.yaml").write_text(yaml.safe_dump({**changes, "separator_conf": separator}))
    run(
        "config", "--system", "nac_se", "--step", "1_enhance", "--codec", codec, "--recipe_conf", folder / "conf",
        "--output", folder / "train.yaml",
    )  # fmt: skip
    command = ["train", "--config", folder / "train.yaml", "--output_dir", folder / "exp"]
    for name in ("train", "valid"):
        command += [f"--{name}_dir", folder / name, f"--{name}_embeddings", folder / "emb" / name]
    run(*command, "--embedding_stats", folder / "stats/stats.npz")
