"""The mini corpus from folders: consistent directories, the test protocol, same bytes, resumed after a kill."""

import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from espnet_codecse.audio import read_audio
from espnet_codecse.corpus.data_dir import read_data_dir, validate_data_dir
from espnet_codecse.corpus.mini import MiniSettings, prepare
from espnet_codecse.corpus.mixing import level_db, rms
from espnet_codecse.corpus.mixtures import TEST_RATIOS, TEST_SNRS, MixtureSettings
from espnet_codecse.corpus.sources import SPLITS
from espnet_codecse.errors import UserError

RATE = 16000


@pytest.fixture
def corpus(tmp_path, voice):
    """A corpus with given splits: 4 speakers of 3 utterances each (at 16 and 48 kHz), 3 noises in each split."""
    root = tmp_path / "corpus of mine"
    for number, split in enumerate(SPLITS):
        for speaker in range(4):
            folder = root / split / "speech" / f"c_{split}{speaker}"
            folder.mkdir(parents=True)
            for utterance in range(3):
                rate = 48000 if utterance == 2 else RATE
                samples = voice(rate + 1000 * utterance, 100 * number + 10 * speaker + utterance, rate)
                soundfile.write(folder / f"u{utterance}.flac", samples, rate)
        (root / split / "noise").mkdir()
        for kind in range(3):
            noise = 0.1 * np.random.default_rng([number, kind]).standard_normal(RATE * (1 + kind))
            soundfile.write(root / split / "noise" / f"kind{kind}.wav", noise, RATE)
    return root


def signals(path):
    """Yield ``(id, {table: samples}, tables)``."""
    tables = read_data_dir(path)
    for utterance in tables["wav.scp"]:
        yield (
            utterance,
            {
                name: read_audio(tables[name][utterance])[0][:, 0].astype(float)
                for name in tables
                if name.endswith(".scp")
            },
            tables,
        )


def test_noises_of_another_rate_are_ready_for_dynamic_mixing(corpus, tmp_path):
    path = corpus / "train" / "noise" / "kind1.wav"
    samples, _ = soundfile.read(path)
    soundfile.write(path, np.repeat(samples, 3), 3 * RATE)
    prepare(tmp_path / "data", MiniSettings(num_train=4, num_valid=4), 1, corpus)
    before = contents(tmp_path / "data")
    tables = read_data_dir(tmp_path / "data" / "noise_train")
    assert set(tables["utt2fs"].values()) == {str(RATE)}
    for utterance, file in tables["wav.scp"].items():
        info = soundfile.info(file)
        assert info.samplerate == RATE and info.frames == int(tables["utt2num_samples"][utterance])
        assert str(corpus) in file or utterance == "kind1"
    prepare(tmp_path / "data", MiniSettings(num_train=4, num_valid=4), 1, corpus)
    assert contents(tmp_path / "data") == before


def contents(path):
    return {file.relative_to(path): file.read_bytes() for file in sorted(path.rglob("*.flac"))}


@pytest.mark.slow
def test_one_speaker(corpus, tmp_path):
    settings = MiniSettings(
        MixtureSettings(snr_range=(0, 10), level_range=(-30, -20), max_duration=0.8), train_copies=2
    )
    lines = prepare(tmp_path / "data", settings, 1, corpus)
    assert len(lines) == 3 and "24 mixtures" in lines[0]
    for split, count in (("train", 24), ("valid", 24), ("test", 12)):
        assert validate_data_dir(tmp_path / "data" / split, num_references=1) == count
        assert validate_data_dir(tmp_path / "data" / f"clean_{split}") == 12
        assert validate_data_dir(tmp_path / "data" / f"noise_{split}") == 3
    for utterance, audio, tables in signals(tmp_path / "data/train"):
        mixture, speech, noise = audio["wav.scp"], audio["spk1.scp"], audio["noise1.scp"]
        assert len(mixture) == len(speech) == int(tables["utt2num_samples"][utterance]) <= 0.8 * RATE
        np.testing.assert_allclose(mixture, speech + noise, atol=1e-4)
        snr = float(tables["utt2snr"][utterance])
        assert 0 <= snr <= 10
        assert 20 * np.log10(rms(speech) / rms(noise)) == pytest.approx(snr, abs=0.05)
        assert -30.1 <= level_db(mixture) <= -19.9
        assert tables["utt2noise"][utterance] in ("kind0", "kind1", "kind2", "kind")


@pytest.mark.slow
def test_test_set_has_each_utterance_once_and_cycles_snr(corpus, tmp_path):
    prepare(tmp_path / "data", MiniSettings(num_train=2, num_valid=2), 1, corpus)
    tables = read_data_dir(tmp_path / "data/test")
    clean = read_data_dir(tmp_path / "data/clean_test")
    assert list(tables["wav.scp"]) == list(clean["wav.scp"])
    snrs = [float(value) for value in tables["utt2snr"].values()]
    assert snrs == [TEST_SNRS[number % 5] for number in range(12)]
    assert tables["utt2num_samples"]["c_test0_u2"] == str(round((48000 + 2000) / 3))
    other = MiniSettings(
        MixtureSettings(seed=9, snr_range=(20, 20), level_range=(-20, -20), max_duration=0.3, reverb_probability=1.0),
        num_train=3,
        num_valid=2,
    )
    prepare(tmp_path / "other", other, 1, corpus)
    first, second = (contents(next((tmp_path / name / "audio").glob("test_*"))) for name in ("data", "other"))
    assert first == second and len(first) == 36


def test_other_levels_of_the_test_set(corpus, tmp_path):
    settings = MiniSettings(MixtureSettings(test_snrs=(-10.0, 5.0)), num_train=1, num_valid=1)
    prepare(tmp_path / "data", settings, 2, corpus)
    assert list(read_data_dir(tmp_path / "data/test")["utt2snr"].values()) == ["-10", "5"] * 6


def test_three_speakers_each_at_the_ratio_to_the_first(tmp_path, voice):
    for number in range(9):
        split = tmp_path / "corpus" / SPLITS[number % 3]
        for path in (split / "speech" / f"speaker{number}" / "utterance.wav", split / "noise" / "noise.wav"):
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, voice(6000 + 500 * number, number), 16000)
    settings = MiniSettings(MixtureSettings(num_speakers=3, noise_probability=0.0), num_train=6, num_valid=3)
    prepare(tmp_path / "data", settings, 1, tmp_path / "corpus")
    assert validate_data_dir(tmp_path / "data/test", num_references=3) == 3
    for utterance, audio, tables in signals(tmp_path / "data/test"):
        speakers = [audio[f"spk{number}.scp"] for number in (1, 2, 3)]
        np.testing.assert_allclose(audio["wav.scp"], sum(speakers), atol=1e-4)
        for other in speakers[1:]:
            ratio = 20 * np.log10(rms(speakers[0]) / rms(other))
            assert ratio == pytest.approx(float(tables["utt2sir"][utterance]), abs=0.05)
        assert len(set(tables["utt2spk"][utterance].split("_"))) == 3


def test_two_speakers(corpus, tmp_path):
    settings = MiniSettings(
        MixtureSettings(num_speakers=2, noise_probability=0.0, ratio_range=(-3, 3)), num_train=10, num_valid=4
    )
    prepare(tmp_path / "data", settings, 1, corpus)
    assert validate_data_dir(tmp_path / "data/train", num_references=2) == 10
    for utterance, audio, tables in signals(tmp_path / "data/test"):
        first, second = audio["spk1.scp"], audio["spk2.scp"]
        assert "noise1.scp" not in audio
        np.testing.assert_allclose(audio["wav.scp"], first + second, atol=1e-4)
        assert 20 * np.log10(rms(first) / rms(second)) == pytest.approx(float(tables["utt2sir"][utterance]), abs=0.05)
        assert float(tables["utt2sir"][utterance]) in TEST_RATIOS
        assert tables["utt2spk1"][utterance] != tables["utt2spk2"][utterance]
        assert tables["utt2spk"][utterance] == f"{tables['utt2spk1'][utterance]}_{tables['utt2spk2'][utterance]}"


def test_reverberant_mixture_differs_from_its_dry_reference(corpus, tmp_path):
    settings = MiniSettings(MixtureSettings(reverb_probability=1.0, snr_range=(40, 40)), num_train=3, num_valid=1)
    prepare(tmp_path / "data", settings, 1, corpus)
    tables = read_data_dir(tmp_path / "data/train")
    assert set(tables["utt2reverb"].values()) == {"1"}
    for _, audio, _ in signals(tmp_path / "data/train"):
        rest = audio["wav.scp"] - audio["spk1.scp"] - audio["noise1.scp"]
        assert rms(rest) > 0.05 * rms(audio["spk1.scp"])


@pytest.mark.slow
def test_same_bytes_for_the_same_seed_in_two_processes(corpus, tmp_path):
    options = ["--clean_dir", str(corpus), "--num_train", "20", "--num_valid", "3", "--reverb_probability", "0.2"]
    for name, jobs in (("one", "1"), ("two", "2")):
        command = [sys.executable, "-m", "espnet_codecse.bin.prepare_mini", "--dst", str(tmp_path / name), "--nj", jobs]
        subprocess.run([*command, *options], check=True, stderr=subprocess.DEVNULL)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert (tmp_path / "one/train/utt2snr").read_bytes() == (tmp_path / "two/train/utt2snr").read_bytes()
    prepare(tmp_path / "three", MiniSettings(MixtureSettings(seed=1), num_train=20, num_valid=3), 1, corpus)
    assert not set(contents(tmp_path / "three" / "audio").values()) & set(
        contents(next((tmp_path / "one/audio").glob("train_*"))).values()
    )


@pytest.mark.slow
def test_second_run_is_skipped_and_new_options_replace_tables(corpus, tmp_path, capsys):
    settings = MiniSettings(num_train=4, num_valid=2)
    prepare(tmp_path / "data", settings, 1, corpus)
    before = contents(tmp_path / "data")
    assert all("skipped" in line for line in prepare(tmp_path / "data", settings, 1, corpus))
    two = replace(settings, mixtures=MixtureSettings(num_speakers=2))
    prepare(tmp_path / "data", two, 1, corpus)
    prepare(tmp_path / "data", settings, 1, corpus)
    assert not (tmp_path / "data/train/spk2.scp").exists() and not (tmp_path / "data/train/utt2sir").exists()
    assert validate_data_dir(tmp_path / "data/train", num_references=1) == 4
    assert before.items() <= contents(tmp_path / "data").items()
    assert "made anew" in capsys.readouterr().err


@pytest.mark.slow
def test_killed_run_goes_on(corpus, tmp_path):
    options = ["--clean_dir", str(corpus), "--num_train", "200", "--nj", "1", "--reverb_probability", "0"]
    command = [sys.executable, "-m", "espnet_codecse.bin.prepare_mini", "--dst", str(tmp_path / "data"), *options]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    while not list((tmp_path / "data").glob("audio/*/.parts/[0-9]*.json")) and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "data/train/wav.scp").exists()
    result = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=True)
    assert "were done by an earlier run" in result.stderr
    assert validate_data_dir(tmp_path / "data/train", num_references=1) == 200


def test_silent_recordings_are_reported_not_mixed(corpus, tmp_path):
    for path in (corpus / "train/speech/c_train0").glob("*.flac"):
        soundfile.write(path, np.zeros(RATE), RATE)
    lines = prepare(tmp_path / "data", MiniSettings(train_copies=1, num_valid=2), 1, corpus)
    assert "9 mixtures" in lines[0] and "3 could not be mixed (first: speech is silent)" in lines[0]


def test_pairs_of_speaker_folders_need_no_noise(tmp_path, voice):
    for number in range(7):
        path = tmp_path / "speech" / f"s{number}" / "u.wav"
        path.parent.mkdir(parents=True)
        soundfile.write(path, voice(RATE // 2, number), RATE)
    settings = MiniSettings(MixtureSettings(num_speakers=2, noise_probability=0.0), num_train=4, num_valid=2)
    lines = prepare(tmp_path / "data", settings, 1, tmp_path / "speech")
    assert [line.split(": ")[1].split(",")[0] for line in lines] == ["4 mixtures", "2 mixtures", "2 mixtures"]
    assert not (tmp_path / "data/noise_train").exists()
    for split in SPLITS:
        validate_data_dir(tmp_path / "data" / split, num_references=2)
        speakers = [speaker.split("_") for speaker in read_data_dir(tmp_path / "data" / split)["utt2spk"].values()]
        assert all(first != second for first, second in speakers)


def test_one_speaker_cannot_make_pairs(corpus, tmp_path):
    for number in (1, 2, 3):
        for path in (corpus / f"train/speech/c_train{number}").glob("*.flac"):
            path.unlink()
    with pytest.raises(UserError, match="no other speaker to mix with 'c_train0'"):
        prepare(tmp_path / "data", MiniSettings(MixtureSettings(num_speakers=2)), 1, corpus)
    with pytest.raises(UserError, match="--noise_dir: it needs --clean_dir"):
        prepare(tmp_path / "data", MiniSettings(), 1, None, corpus)


@pytest.mark.slow
def test_full_disk_stops_with_one_line_and_the_next_run_goes_on(corpus, tmp_path):
    # A limit on the size of a file fails the write as a full disk does, without the right to mount one.
    options = f"--nj 1 --num_train 8 --reverb_probability 0 --clean_dir '{corpus}' --dst data"
    command = f"'{sys.executable}' -m espnet_codecse.bin.prepare_mini {options}"
    result = subprocess.run(
        ["bash", "-c", f"ulimit -f 16; exec {command}"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
    assert "cannot be written" in result.stderr.splitlines()[-1]
    assert not (tmp_path / "data/train").exists()
    subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, check=True)
    assert validate_data_dir(tmp_path / "data/train", num_references=1, check_files=False) == 8


@pytest.mark.slow
def test_extra_and_altered_noises_are_of_train_alone_and_rooms_are_listed(corpus, tmp_path):
    settings = MiniSettings(
        MixtureSettings(rate=RATE), num_train=4, num_valid=2, num_extra_noises=7, num_altered_noises=5, num_rooms=3
    )
    lines = prepare(tmp_path / "data", settings, 1, clean_dir=corpus)
    assert f"{tmp_path / 'data' / 'rooms_train'}: 3 room responses" in lines
    noises = {split: read_data_dir(tmp_path / "data" / f"noise_{split}")["wav.scp"] for split in SPLITS}
    assert sum(name.startswith("altered_") for name in noises["train"]) == 5
    assert len(noises["train"]) == 15 and len(noises["valid"]) == len(noises["test"]) == 3
    assert len(read_data_dir(tmp_path / "data" / "rooms_train")["wav.scp"]) == 3


def test_recorded_rooms_join_the_simulated_ones_at_the_rate(corpus, tmp_path):
    rooms = tmp_path / "rooms"
    rooms.mkdir()
    soundfile.write(rooms / "hall 1.wav", np.eye(1, 2 * RATE)[0], 2 * RATE)
    (rooms / "broken.wav").write_bytes(b"RIFF")
    settings = MiniSettings(MixtureSettings(rate=RATE), num_train=4, num_valid=2, num_rooms=2)
    prepare(tmp_path / "data", settings, 1, clean_dir=corpus, room_dir=rooms)
    written = read_data_dir(tmp_path / "data" / "rooms_train")
    assert sorted(written["wav.scp"]) == ["hall_1", "room_0000", "room_0001"]
    response, rate = soundfile.read(written["wav.scp"]["hall_1"])
    assert rate == RATE and len(response) == RATE and np.argmax(np.abs(response)) == 0
    assert "broken.wav" in (tmp_path / "data/audio/skipped.tsv").read_text()


def test_test_mixtures_are_in_recorded_rooms(corpus, tmp_path):
    rooms = tmp_path / "rooms"
    rooms.mkdir()
    response = np.zeros(RATE)
    response[[100, 4100]] = 0.5, 0.25  # an echo after a quarter of a second
    soundfile.write(rooms / "echo.wav", response, RATE)
    settings = MiniSettings(MixtureSettings(rate=RATE), num_train=4, num_valid=2, test_reverb_probability=1.0)
    prepare(tmp_path / "data", settings, 1, clean_dir=corpus, test_room_dir=rooms)
    tables = read_data_dir(tmp_path / "data" / "test")
    for name, path in tables["wav.scp"].items():
        mixture, speech, noise = (
            soundfile.read(table)[0] for table in (path, tables["spk1.scp"][name], tables["noise1.scp"][name])
        )
        echo = (mixture - noise - speech)[4000:]
        np.testing.assert_allclose(echo, 0.5 * speech[:-4000], atol=2e-3)
