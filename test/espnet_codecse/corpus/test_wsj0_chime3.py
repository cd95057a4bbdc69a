"""WSJ0-CHiME3 in small: the published draws, SNRs, breakdown, and broken trees."""

import shutil

import numpy as np
import pytest
import soundfile
from corpus_trees import wsj0_chime3 as build
from sphere_files import compress_sphere, install_decoder, write_sphere

from espnet_codecse.audio import audio_info, read_audio
from espnet_codecse.bin.prepare_wsj0_chime3 import main
from espnet_codecse.corpus import wsj0_chime3
from espnet_codecse.corpus.data_dir import read_data_dir, validate_data_dir
from espnet_codecse.corpus.wsj0_chime3 import Wsj0Chime3Settings, find_backgrounds, find_speech, plan, prepare, snr_bin
from espnet_codecse.errors import UserError
from espnet_codecse.report.groups import SNR, read_groups

SMALL = Wsj0Chime3Settings(incomplete=True)
BACKGROUNDS = "data/audio/16kHz/backgrounds"


@pytest.fixture
def roots(tmp_path):
    root = build(tmp_path / "two corpora")
    return root / "wsj0", root / "CHiME3"


def refused(match, roots, tmp_path, settings=SMALL):
    with pytest.raises(UserError, match=match) as error:
        prepare(*roots, tmp_path / "data", settings, 1)
    assert "\n" not in str(error.value)


def read(path):
    return read_audio(path)[0][:, 0].astype(np.float64)


def test_sets_references_and_snr(roots, tmp_path):
    lines = prepare(*roots, tmp_path / "data", SMALL, 1)
    assert [line.split(",")[0].rsplit("/", 1)[-1] for line in lines] == [
        "train: 6 utterances",
        "valid: 3 utterances",
        "test: 3 utterances",
    ]
    for name in ("train", "valid", "test"):
        validate_data_dir(tmp_path / "data" / name, 1)
    tables = read_data_dir(tmp_path / "data" / "test")
    assert tables["utt2spk"] == {"440c0201": "440", "440c0202": "440", "441c0203": "441"}
    for utterance, path in tables["spk1.scp"].items():
        assert path.endswith(f"{utterance}.wv1")  # right already: the corpus's own file
        clean, noise = read(path), read(tables["wav.scp"][utterance]) - read(path)
        snr = 10 * np.log10(np.sum(clean**2) / np.sum(noise**2))
        assert snr == pytest.approx(float(tables["utt2snr_exact"][utterance]), abs=0.05) and 0 <= snr <= 20
        assert int(tables["utt2num_samples"][utterance]) == len(clean) == len(noise)
        assert tables["utt2noise"][utterance] in ("bus", "cafe", "pedestrian", "street")
    levels = read_groups(tmp_path / "data" / "test")[SNR]
    assert set(levels.values()) <= {"2.5 dB", "7.5 dB", "12.5 dB", "17.5 dB"}


def test_noise_is_a_stretch_of_the_first_channel(roots, tmp_path):
    prepare(*roots, tmp_path / "data", SMALL, 1)
    mixtures = plan(find_speech(roots[0], True), find_backgrounds(roots[1]), SMALL)[0]
    tables = read_data_dir(tmp_path / "data" / "train")
    for utterance, mixture in mixtures["train"].items():
        assert mixture.noise.endswith(".CH1.wav")
        noise = read(tables["wav.scp"][utterance]) - read(tables["spk1.scp"][utterance])
        stretch = read(mixture.noise)[mixture.start : mixture.start + mixture.num_samples]
        assert np.corrcoef(noise, stretch)[0, 1] > 0.999


def test_draws_are_those_of_the_published_script(roots):
    mixtures = plan(find_speech(roots[0], True), find_backgrounds(roots[1]), SMALL)[0]
    np.random.seed(0)
    for name in ("train", "valid", "test"):
        for mixture in mixtures[name].values():
            assert mixture.snr == np.random.uniform(0, 20)
            assert mixture.noise == str(find_backgrounds(roots[1])[np.random.randint(4)])
            assert mixture.start == np.random.randint(160000 - mixture.num_samples)


def test_bins_are_of_equal_width_from_the_lowest_snr():
    assert [snr_bin(value, 0.0) for value in (0.0, 4.99, 5.0, 12.0, 19.99)] == [2.5, 2.5, 7.5, 12.5, 17.5]
    assert snr_bin(-6.0, -6.0) == -3.5


def test_processes_resumption_and_subset_change_nothing(roots, tmp_path, capsys):
    prepare(*roots, tmp_path / "data", SMALL, 1)
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "data" / "audio").rglob("*.flac")}
    assert len(files) == 12
    prepare(*roots, tmp_path / "data", SMALL, 2)
    assert "6 of 6 were done by an earlier run" in capsys.readouterr().err
    assert files == {path: path.stat().st_mtime_ns for path in files}
    prepare(*roots, tmp_path / "small", Wsj0Chime3Settings(incomplete=True, subset=2), 2)
    whole, part = (read_data_dir(tmp_path / name / "train") for name in ("data", "small"))
    assert len(part["wav.scp"]) == 2 and len(set(part["utt2spk"].values())) == 2
    for utterance, path in part["wav.scp"].items():
        assert np.array_equal(read(path), read(whole["wav.scp"][utterance]))


@pytest.mark.slow
def test_other_rates_and_compressed_speech_get_references_of_their_own(roots, tmp_path, monkeypatch):
    prepare(*roots, tmp_path / "plain", SMALL, 1)
    plain = read_data_dir(tmp_path / "plain" / "test")
    expected = {name: {key: read(path) for key, path in plain[name].items()} for name in ("wav.scp", "spk1.scp")}
    for path in roots[0].rglob("*.wv1"):
        compress_sphere(path)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    refused("no sph2pipe in PATH", roots, tmp_path)
    install_decoder(tmp_path / "bin")
    prepare(*roots, tmp_path / "data", SMALL, 1)
    prepare(*roots, tmp_path / "data24", Wsj0Chime3Settings(24000, incomplete=True), 1)
    data, data24 = (read_data_dir(tmp_path / name / "test") for name in ("data", "data24"))
    for name, signals in expected.items():
        for utterance, samples in signals.items():
            assert np.array_equal(read(data[name][utterance]), samples)
            assert audio_info(data24[name][utterance])[:2] == (int(data24["utt2num_samples"][utterance]), 24000)
    assert set(data24["utt2fs"].values()) == {"24000"}


def test_loud_mixtures_are_turned_down_with_their_reference(roots, tmp_path):
    path = next(roots[0].rglob("440c0201.wv1"))
    write_sphere(path, np.random.default_rng(0).choice([-0.98, 0.98], 16000))
    prepare(*roots, tmp_path / "data", SMALL, 1)
    tables = read_data_dir(tmp_path / "data" / "test")
    noisy, clean = (read(tables[name]["440c0201"]) for name in ("wav.scp", "spk1.scp"))
    assert np.abs(noisy).max() == pytest.approx(0.99, abs=1e-3) and np.abs(clean).max() < 0.97
    snr = 10 * np.log10(np.sum(clean**2) / np.sum((noisy - clean) ** 2))
    assert snr == pytest.approx(float(tables["utt2snr_exact"]["440c0201"]), abs=0.05)


def test_check_writes_nothing_and_counts_are_the_published(roots, tmp_path, capsys, monkeypatch):
    options = ["--root", str(roots[0]), "--chime3", str(roots[1]), "--datadir", str(tmp_path / "data"), "--check"]
    with pytest.raises(UserError, match="6 utterances in si_tr_s, 12776 were published; .*--incomplete"):
        main(options)
    assert main([*options, "--incomplete"]) == 0
    assert capsys.readouterr().out.endswith("CHiME3: 4 backgrounds\n")
    monkeypatch.setattr(wsj0_chime3, "COUNTS", {"si_tr_s": 6, "si_dt_05": 3, "si_et_05": 3})
    assert main(options) == 0
    assert not (tmp_path / "data").exists()


def test_variables_are_named(roots, tmp_path, monkeypatch):
    monkeypatch.delenv("CHIME3", raising=False)
    with pytest.raises(UserError, match="CHIME3: not set"):
        main(["--root", str(roots[0])])
    with pytest.raises(UserError, match="WSJ0: .*/none: no such folder"):
        main(["--root", str(tmp_path / "none"), "--chime3", str(roots[1])])


def test_broken_trees_are_one_line(roots, tmp_path):
    folder = roots[1] / BACKGROUNDS
    soundfile.write(folder / "BGD_150203_020_BUS.CH1.wav", np.ones(100), 48000)
    refused("020_BUS.CH1.wav: wrong rate, 48000 Hz", roots, tmp_path)
    (folder / "BGD_150203_020_BUS.CH1.wav").write_bytes(b"no audio")
    refused("020_BUS.CH1.wav: not readable as audio", roots, tmp_path)
    shutil.rmtree(folder)
    refused("CHIME3: .*: has no data/audio/16kHz/backgrounds", roots, tmp_path)
    shutil.rmtree(roots[0] / "11-14.1")
    refused("WSJ0: .*: has no folder si_et_05", roots, tmp_path)


def test_unusable_speech_is_listed(roots, tmp_path):
    folder = roots[0] / "11-1.1/wsj0/si_tr_s/40p"
    (folder / "40po031a.wv1").write_bytes(b"no audio")
    write_sphere(folder / "40po031b.wv1", np.zeros(8000), 8000)
    write_sphere(folder / "40po031c.wv1", np.zeros(16000))
    write_sphere(roots[0] / "11-1.1/wsj0/si_tr_s/01t/01to030w.wv1", np.zeros(0))
    write_sphere(roots[0] / "11-1.1/wsj0/si_tr_s/01t/01to030v.wv1", np.ones(170000))
    lines = prepare(*roots, tmp_path / "data", SMALL, 1)
    assert "train: 1 utterances" in lines[0] and "5 cannot be used" in lines[0]
    rows = (tmp_path / "data" / "train" / "rejected.tsv").read_text().splitlines()[1:]
    reasons = ("longer than the background", "empty", "not readable", "wrong rate, 8000 Hz", "speech is silent")
    assert all(reason in row for reason, row in zip(reasons, rows)) and len(rows) == 5
