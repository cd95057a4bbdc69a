"""VoiceBank-DEMAND in its official layout, in small: zips, folders, logs, unpaired lists, and broken trees."""

import shutil
import zipfile

import numpy as np
import pytest
import soundfile
from corpus_trees import VCTK_TEST, vctk_demand

from espnet_codecse.audio import audio_info, read_audio
from espnet_codecse.corpus.data_dir import read_data_dir, validate_data_dir
from espnet_codecse.corpus.vctk_demand import VctkDemandSettings, find_pairs, prepare
from espnet_codecse.errors import UserError

SMALL = VctkDemandSettings(incomplete=True)


@pytest.fixture
def root(tmp_path):
    """The official folders, their name with spaces as in the published archive."""
    return vctk_demand(tmp_path / "Noisy Speech Database")


def zipped(root):
    """Replace the folders by zips as they are published: the folder is the zip's top level."""
    for folder in [path for path in root.iterdir() if path.is_dir()]:
        with zipfile.ZipFile(folder.with_name(folder.name + ".zip"), "w") as archive:
            for file in sorted(folder.iterdir()):
                top = "" if folder.name == "logfiles" else f"{folder.name}/"
                archive.write(file, f"{top}{file.name}")
        shutil.rmtree(folder)
    return root


@pytest.mark.parametrize("layout", [lambda root: root, zipped], ids=["folders", "zips"])
def test_sets_speakers_and_breakdown(root, tmp_path, layout):
    lines = prepare(layout(root), tmp_path / "data", SMALL, 1)
    assert f"{tmp_path}/data/train: 6 utterances, 0.00 h, 3 speakers" in lines
    tables = {name: read_data_dir(tmp_path / "data" / name) for name in ("train", "valid", "test")}
    assert set(tables["valid"]["utt2spk"].values()) == {"p226", "p287"}
    assert set(tables["train"]["utt2spk"].values()) == {"p227", "p228", "p230"}
    assert sorted(tables["test"]["wav.scp"]) == VCTK_TEST
    assert tables["test"]["utt2snr"] == dict(zip(VCTK_TEST, ("2.5", "7.5", "12.5", "17.5")))
    assert tables["test"]["utt2noise"]["p232_001"] == "cafe"
    for name in tables:
        validate_data_dir(tmp_path / "data" / name, 1)
        for utterance, path in tables[name]["wav.scp"].items():
            assert audio_info(path) == (8000, 16000, 1)
            assert tables[name]["utt2num_samples"][utterance] == "8000"
            mixture, clean = read_audio(path)[0], read_audio(tables[name]["spk1.scp"][utterance])[0]
            assert (mixture - clean).std() == pytest.approx(0.0115, rel=0.1)  # a third of the band


def test_unpaired_lists_share_no_speaker(root, tmp_path):
    other = tmp_path / "other speech" / "a b"
    other.mkdir(parents=True)
    soundfile.write(other / "x y.flac", 0.1 * np.random.default_rng(0).standard_normal(16000), 16000)
    settings = VctkDemandSettings(incomplete=True, prior_dir=tmp_path / "other speech")
    prepare(root, tmp_path / "data", settings, 1)
    noisy, prior = (read_data_dir(tmp_path / "data" / name) for name in ("unpaired_noisy", "prior_in_domain"))
    assert set(noisy["utt2spk"].values()).isdisjoint(prior["utt2spk"].values())
    assert not set(noisy["wav.scp"].values()) & set(prior["wav.scp"].values())
    elsewhere = read_data_dir(tmp_path / "data" / "prior_out_of_domain")
    assert elsewhere["utt2spk"] == {"a_b-x_y": "a_b"}
    assert elsewhere["wav.scp"]["a_b-x_y"].endswith("other speech/a b/x y.flac")  # right already: not rewritten


def test_second_run_converts_nothing_and_a_subset_has_all_speakers(root, tmp_path, capsys):
    prepare(root, tmp_path / "data", SMALL, 1)
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "data" / "audio").rglob("*.flac")}
    capsys.readouterr()
    prepare(root, tmp_path / "data", SMALL, 1)
    assert "were done by an earlier run" in capsys.readouterr().err
    assert files == {path: path.stat().st_mtime_ns for path in files}
    prepare(root, tmp_path / "small", VctkDemandSettings(incomplete=True, subset=3), 1)
    assert set(read_data_dir(tmp_path / "small" / "train")["utt2spk"].values()) == {"p227", "p228", "p230"}


def test_check_writes_nothing(root, tmp_path):
    lines = prepare(root, tmp_path / "data", SMALL, 1, check=True)
    assert lines[0].endswith("testset: 4 utterances, complete") and not (tmp_path / "data").exists()


def test_published_counts(root):
    with pytest.raises(UserError, match="4 utterances in testset, 824 were published; .*--incomplete"):
        find_pairs(root, "testset")


def test_broken_trees_are_one_line(root, tmp_path):
    def refused(match):
        with pytest.raises(UserError, match=match) as error:
            prepare(root, tmp_path / "data", SMALL, 1)
        assert "\n" not in str(error.value)

    log = root / "logfiles" / "log_testset.txt"
    good = log.read_text()
    log.write_text("p232_001 bus\n")
    refused("line 1 is not 'utterance noise SNR'")
    log.write_text(good)
    (root / "clean_testset_wav" / "p232_001.wav").rename(tmp_path / "away.wav")
    refused("p232_001.wav: 1 files have no clean counterpart")
    shutil.rmtree(root / "clean_testset_wav")
    refused("VCTK_DEMAND: .*clean_testset_wav: neither this folder nor clean_testset_wav.zip")
    (root / "clean_testset_wav.zip").write_bytes(b"PK\x03\x04cut")
    refused("clean_testset_wav.zip: not a complete zip")


def test_corrupted_audio_is_listed(root, tmp_path):
    (root / "noisy_trainset_28spk_wav" / "p227_001.wav").write_bytes(b"RIFF not audio")
    soundfile.write(root / "clean_trainset_28spk_wav" / "p228_001.wav", np.zeros(0), 48000)
    for name, rate in (("p227_002", 48000), ("p228_002", 16000)):  # to be converted, and right already
        path = root / "noisy_trainset_28spk_wav" / f"{name}.wav"
        samples = soundfile.read(path)[0]
        samples[7] = np.nan
        soundfile.write(path, samples, rate, "FLOAT")
    lines = prepare(root, tmp_path / "data", SMALL, 1)
    assert any("4 files cannot be used" in line for line in lines)
    rows = (tmp_path / "data" / "train" / "rejected.tsv").read_text().splitlines()
    rejected = ["p227_001", "p227_002", "p228_001", "p228_002"]
    assert rows[0] == "id\tpath\treason" and [row.split("\t")[0] for row in rows[1:]] == rejected
    assert "empty" in rows[3] and all(row.endswith("\tNaN or infinite samples") for row in (rows[2], rows[4]))
    assert len(read_data_dir(tmp_path / "data" / "train")["wav.scp"]) == 2


def test_damaged_zip_member_is_listed(root, tmp_path):
    path = zipped(root) / "noisy_testset_wav.zip"
    content = bytearray(path.read_bytes())
    place = content.find(b"data", 200) + 200
    content[place : place + 20] = bytes(20)
    path.write_bytes(bytes(content))
    lines = prepare(root, tmp_path / "data", SMALL, 1)
    assert any(line.startswith(f"{tmp_path}/data/test: 3 utterances") for line in lines)
    assert "Bad CRC-32" in (tmp_path / "data" / "test" / "rejected.tsv").read_text()
