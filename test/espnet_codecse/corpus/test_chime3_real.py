"""CHiME-3's real test set in small: found, described, refused."""

import numpy as np
import pytest
import soundfile
from corpus_trees import wsj0_chime3 as build

from espnet_codecse.bin.prepare_wsj0_chime3 import main
from espnet_codecse.corpus import chime3_real
from espnet_codecse.corpus.chime3_real import find_real, prepare_real
from espnet_codecse.corpus.data_dir import read_data_dir, validate_data_dir
from espnet_codecse.errors import UserError


@pytest.fixture
def root(tmp_path):
    rng = np.random.default_rng(0)
    for place in ("BUS", "CAF", "PED", "STR"):
        for speaker in ("F05", "M06"):
            for channel in (0, 5):
                folder = tmp_path / "CHiME3/data/audio/16kHz/isolated" / f"et05_{place.lower()}_real"
                folder.mkdir(parents=True, exist_ok=True)
                name = f"{speaker}_440C0201_{place}.CH{channel}.wav"
                soundfile.write(folder / name, 0.01 * rng.standard_normal(8000 + channel), 16000)
    simulated = tmp_path / "CHiME3/data/audio/16kHz/isolated/et05_bus_simu/F05_440C0201_BUS.CH5.wav"
    simulated.parent.mkdir()
    soundfile.write(simulated, np.zeros(100), 16000)
    return tmp_path / "CHiME3"


def test_recordings_of_channel_5_without_references(root, tmp_path):
    line = prepare_real(root, tmp_path / "data", incomplete=True)
    assert "chime3_real: 8 utterances" in line and "2 speakers" in line
    validate_data_dir(tmp_path / "data/chime3_real", 0)
    tables = read_data_dir(tmp_path / "data/chime3_real")
    assert "spk1.scp" not in tables and set(tables["utt2noise"].values()) == {"bus", "cafe", "pedestrian", "street"}
    assert tables["wav.scp"]["F05_440C0201_BUS"].endswith("et05_bus_real/F05_440C0201_BUS.CH5.wav")
    assert set(tables["utt2num_samples"].values()) == {"8005"}


def test_incomplete_broken_and_missing(root, tmp_path, monkeypatch):
    with pytest.raises(UserError, match="8 utterances in et05_.*, 1320 were published"):
        find_real(root)
    monkeypatch.setattr(chime3_real, "COUNT", 8)
    next(root.rglob("M06*STR.CH5.wav")).write_bytes(b"")
    assert "1 cannot be used" in prepare_real(root, tmp_path / "data")
    with pytest.raises(UserError, match="has no data/audio/16kHz/isolated"):
        find_real(tmp_path / "data")


def test_the_command(root, tmp_path, capsys):
    build(tmp_path)
    options = ["--root", str(tmp_path / "wsj0"), "--chime3", str(root), "--datadir", str(tmp_path / "data")]
    options += ["--incomplete", "--real"]
    assert main([*options, "--check"]) == 0
    assert capsys.readouterr().out.endswith("CHiME3: 8 real test utterances\n")
    assert main([*options, "--nj", "1"]) == 0
    assert (tmp_path / "data/test/spk1.scp").is_file() and (tmp_path / "data/chime3_real/wav.scp").is_file()
