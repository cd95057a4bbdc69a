"""The DNS-Challenge in small: simulation, synthetic sets, later editions, lists for dynamic mixing, broken trees."""

import hashlib
import shutil
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from corpus_trees import DNS_TEST_IDS, dns

from espnet_codecse.audio import audio_info, read_audio
from espnet_codecse.bin.prepare_dns import main
from espnet_codecse.corpus.data_dir import read_data_dir, validate_data_dir
from espnet_codecse.corpus.dns import DnsSettings, prepare
from espnet_codecse.corpus.dns_layout import list_recordings, list_rooms
from espnet_codecse.corpus.dns_rules import active_rms
from espnet_codecse.corpus.dns_simulation import NUM_SPARE, DnsSimulation, plan_clips
from espnet_codecse.corpus.mixing import level_db
from espnet_codecse.corpus.sources import SourceRecording
from espnet_codecse.errors import UserError

SIMULATION = DnsSimulation(hours=0.004, clip_seconds=1.2)  # 12 clips
SMALL = DnsSettings(SIMULATION, incomplete=True)


@pytest.fixture
def root(tmp_path):
    return dns(tmp_path / "DNS Challenge")


def read(table, name):
    return read_audio(table[name])[0][:, 0].astype(np.float64)


def digests(folder):
    files = folder.rglob("*.flac")
    return {path.name + path.parent.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_clips_follow_the_rules(root, tmp_path):
    lines = prepare(root, tmp_path / "data", SMALL, 1)
    assert lines[0].startswith(f"{tmp_path}/data/train: 10 utterances") and "valid: 2 utterances" in lines[1]
    train, valid = (read_data_dir(tmp_path / "data" / name) for name in ("train", "valid"))
    assert max(train["wav.scp"]) < min(valid["wav.scp"])  # the last 10 % by id
    assert set(train["utt2reverb"].values()) == {"0", "1"}
    for name in ("train", "valid"):
        validate_data_dir(tmp_path / "data" / name, 1)
    for name, path in train["wav.scp"].items():
        assert audio_info(path) == (19200, 16000, 1)
        mixture, speech, noise = (read(train[table], name) for table in ("wav.scp", "spk1.scp", "noise1.scp"))
        assert np.abs(mixture - speech - noise).max() < 1e-4  # of 16 bit; reverberant speech is its own reference
        first, second = active_rms(speech, noise, 16000)
        assert 20 * np.log10(first / second) == pytest.approx(int(train["utt2snr"][name]), abs=0.2)
        assert -35.1 <= level_db(mixture) <= -14.9 and np.abs(mixture).max() < 0.9901
        assert name.startswith(train["utt2spk"][name] + "_fileid_")


def test_low_snrs(root, tmp_path):
    lines = prepare(root, tmp_path / "data", replace(SMALL, low_snr=True), 1)
    assert any(line.startswith(f"{tmp_path}/data/low_snr: 3 utterances") for line in lines)
    validate_data_dir(tmp_path / "data/low_snr", 1)
    low, official = (read_data_dir(tmp_path / "data" / name) for name in ("low_snr", "no_reverb"))
    assert list(low["utt2snr"].values()) == ["-10", "-5", "0"] and set(low["wav.scp"]) == set(official["wav.scp"])
    for name, snr in low["utt2snr"].items():
        mixture, speech, noise = (read(low[table], name) for table in ("wav.scp", "spk1.scp", "noise1.scp"))
        assert np.abs(mixture - speech - noise).max() < 1e-4
        assert level_db(speech) - level_db(noise) == pytest.approx(float(snr), abs=0.05)
        was = [read(official[table], name) for table in ("wav.scp", "spk1.scp")]
        assert np.corrcoef(was[0] - was[1], noise)[0, 1] > 0.99  # the clip's own noise
    before = digests(tmp_path / "data/audio")
    prepare(root, tmp_path / "data", replace(SMALL, low_snr=True), 1)
    assert digests(tmp_path / "data/audio") == before


@pytest.mark.slow
def test_reference_of_reverberant_clips(root, tmp_path):
    for target in ("reverberant", "early", "dry"):
        simulation = replace(SIMULATION, reverb_probability=1.0, reverb_target=target)
        prepare(root, tmp_path / target, replace(SMALL, simulation=simulation), 1)
    tables = {target: read_data_dir(tmp_path / target / "train") for target in ("reverberant", "early", "dry")}
    for name in tables["dry"]["wav.scp"]:
        wet, early, dry = (read(tables[target]["spk1.scp"], name) for target in ("reverberant", "early", "dry"))
        gap = slice(11200, 11900)  # the silence between the first and the second recording, its first 50 ms
        assert np.abs(dry[gap]).max() < 1e-4 < min(np.abs(early[gap]).max(), np.abs(wet[gap]).max())
        gap = slice(12100, 14400)
        assert max(np.abs(dry[gap]).max(), np.abs(early[gap]).max()) < 1e-4 < np.abs(wet[gap]).max()


@pytest.mark.slow
def test_same_bytes_for_any_number_of_jobs_and_after_an_interruption(root, tmp_path, capsys):
    prepare(root, tmp_path / "one", SMALL, 1)
    made = digests(tmp_path / "one" / "audio")
    files = sorted((tmp_path / "one" / "audio").rglob("*.flac"))
    times = {path: path.stat().st_mtime_ns for path in files}
    capsys.readouterr()
    prepare(root, tmp_path / "one", SMALL, 1)
    assert "mix train: 10 of 10 were done by an earlier run" in capsys.readouterr().err
    assert {path: path.stat().st_mtime_ns for path in files} == times
    part = next((tmp_path / "one" / "audio").glob("train_*/.parts_*/0.json"))
    part.unlink()  # as if it had been killed on the way
    files[0].unlink()
    prepare(root, tmp_path / "one", SMALL, 1)
    assert digests(tmp_path / "one" / "audio") == made
    prepare(root, tmp_path / "two", SMALL, 2)
    assert digests(tmp_path / "two" / "audio") == made and made


@pytest.mark.slow
def test_seed_and_subset(root, tmp_path):
    prepare(root, tmp_path / "all", SMALL, 1)
    prepare(root, tmp_path / "other", replace(SMALL, simulation=replace(SIMULATION, seed=1)), 1)
    prepare(root, tmp_path / "few", replace(SMALL, subset=2), 1)
    every, other, few = (digests(tmp_path / name / "audio") for name in ("all", "other", "few"))
    assert not set(every.values()) & set(other.values())
    assert set(few.items()) < set(every.items())  # the same clips, fewer of them
    for name, count in (("train", 2), ("valid", 2), ("no_reverb", 2), ("real_recordings", 2)):
        assert len(read_data_dir(tmp_path / "few" / name)["wav.scp"]) == count


def test_every_recording_is_used_before_any_comes_again():
    speech = [SourceRecording(f"u{n}", f"s{n % 7}", f"{n}.wav", 16000 * (2 + n % 9), 16000) for n in range(400)]
    noise = [SourceRecording(f"n{n}", "n", f"n{n}.wav", 160000, 16000) for n in range(50)]
    clips = plan_clips(speech, noise, [], DnsSimulation(hours=0.5))
    used = [
        item.name
        for clip in sorted(clips, key=lambda clip: int(clip.name.split("_")[-1]))
        for item in clip.speech[:-NUM_SPARE]
    ]
    assert len(clips) == 60 and len(set(used[:400])) == min(400, len(used))
    assert {clip.snr for clip in clips} <= set(range(-5, 21)) and {clip.level for clip in clips} <= set(range(-35, -14))
    for clip in clips:
        assert sum(item.seconds + 0.2 for item in clip.speech[:-NUM_SPARE]) >= 30


def test_test_sets(root, tmp_path):
    prepare(root, tmp_path / "data", SMALL, 1)
    for name in ("no_reverb", "with_reverb"):
        tables = read_data_dir(tmp_path / "data" / name)
        assert sorted(tables["wav.scp"]) == sorted(f"fileid_{number}" for number in DNS_TEST_IDS)
        for key, path in tables["wav.scp"].items():
            assert path.endswith(f"{key}.wav") and f"/{name}/noisy/" in path  # right already: not rewritten
            assert tables["spk1.scp"][key].endswith(f"/{name}/clean/clean_{key}.wav")
        assert tables["utt2snr"] == {"fileid_0": "0", "fileid_14": "4", "fileid_158": "3"}
    real = read_data_dir(tmp_path / "data" / "real_recordings")
    assert sorted(real["wav.scp"]) == ["audioset_realrec_car__1h9umA8agI", "ms_realrec_headset_cafe_spk0_3_1"]
    assert "spk1.scp" not in real


def synthetic(root, with_noise, rate=16000):
    rng = np.random.default_rng(0)
    for number in range(20):
        clean, noise = 0.1 * rng.standard_normal(rate // 2), 0.05 * rng.standard_normal(rate // 2)
        noisy = f"book_00000_chp_0009_reader_{6700 + number // 4:05d}_0_fan_1_snr{number - 5}_tl-20_fileid_{number}"
        kinds = {f"noisy/{noisy}": clean + noise, f"clean/clean_fileid_{number}": clean}
        for name, samples in {**kinds, **({f"noise/noise_fileid_{number}": noise} if with_noise else {})}.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(root / f"{name}.wav", samples, rate)


@pytest.mark.parametrize("with_noise", [False, True])
def test_synthetic_set_as_it_is(root, tmp_path, with_noise):
    for name in ("clean", "noise", "impulse_responses"):
        shutil.rmtree(root / "datasets" / name)
    synthetic(root / "training", with_noise, 48000 if with_noise else 16000)
    prepare(root, tmp_path / "data", SMALL, 1)
    train, valid = (read_data_dir(tmp_path / "data" / name) for name in ("train", "valid"))
    assert sorted(valid["wav.scp"]) == ["reader_06704_fileid_18", "reader_06704_fileid_19"]
    assert len(train["wav.scp"]) == 18 and train["utt2snr"]["reader_06700_fileid_3"] == "-2"
    assert train["utt2spk"]["reader_06700_fileid_3"] == "reader_06700"
    assert ("noise1.scp" in train) == with_noise
    for name in train["wav.scp"]:
        noise = read(train["wav.scp"], name) - read(train["spk1.scp"], name)
        assert audio_info(train["wav.scp"][name]) == (8000, 16000, 1)
        if with_noise:
            assert np.abs(noise - read(train["noise1.scp"], name)).max() < 1e-3
        else:
            assert noise.std() == pytest.approx(0.05, rel=0.05)


def test_names_of_later_editions(root, tmp_path):
    later = tmp_path / "later" / "datasets_fullband"
    for old, new in (("clean", "clean_fullband/vctk_wav48_silence_trimmed"), ("noise", "noise_fullband")):
        for path in (root / "datasets" / old).iterdir():
            samples, _ = soundfile.read(path)
            name = path.name if old == "noise" else f"p2{path.stem[-1]}{path.stem[-2:-1].strip('_') or 0}_001_mic1.flac"
            (later / new).mkdir(parents=True, exist_ok=True)
            soundfile.write(later / new / name, np.repeat(samples, 3), 48000)
    shutil.move(root / "datasets" / "impulse_responses", later / "impulse_responses")
    settings = replace(SMALL, test_dir=root / "datasets" / "test_set")
    prepare(tmp_path / "later", tmp_path / "data", settings, 1)
    train = read_data_dir(tmp_path / "data" / "train")
    assert all(name.startswith("p2") for name in train["wav.scp"]) and "1" in train["utt2reverb"].values()
    assert {audio_info(path) for path in train["wav.scp"].values()} == {(19200, 16000, 1)}


def test_room_responses_by_kind_and_reverberation_time(root):
    def kinds(*arguments):
        rooms = list_rooms(root, *arguments)
        return [("real" if "real_rirs" in room.path else "synthetic", room.channel) for room in rooms]

    table = root / "datasets" / "acoustic_params" / "RIR_table_simple.csv"
    assert kinds("both", (0.3, 1.3)) == [("synthetic", 0), ("real", 1)] and kinds("real", (0.3, 1.3)) == [("real", 1)]
    assert kinds("both", (0.3, 0.5)) == [("synthetic", 0)]
    with pytest.raises(UserError, match="no room response that is synthetic"):
        list_rooms(root, "synthetic", (0.8, 1.3))
    table.write_text("wavfile,channel,T60_WB,C50_WB,isRealRIR\nx.wav,one,0.4,1,1\n")
    with pytest.raises(UserError, match="line 2 is not"):
        list_rooms(root, "both", (0.3, 1.3))
    table.unlink()
    noise = root / "datasets/impulse_responses/SLR28/RIRS_NOISES/real_rirs_isotropic_noises/RVB2014_type1_noise_1.wav"
    soundfile.write(noise, np.ones(10), 16000)
    assert sorted(kinds("both", (0.3, 1.3))) == [("real", 0), ("synthetic", 0)]


def test_lists_feed_espnets_preprocessor(root, tmp_path):
    from espnet2.train.preprocessor import EnhPreprocessor

    lines = prepare(root, tmp_path / "data", replace(SMALL, dynamic=True), 1)
    assert [line.split("/data/")[1].split(":")[0] for line in lines[:4]] == [
        "valid",
        "clean_train",
        "noise_train",
        "rooms_train",
    ]
    assert not (tmp_path / "data" / "train").exists()
    clean = read_data_dir(tmp_path / "data" / "clean_train")
    assert clean["wav.scp"] == clean["spk1.scp"] and validate_data_dir(tmp_path / "data" / "clean_train", 1) > 3
    recordings, _ = list_recordings(root / "datasets" / "clean", tmp_path / "headers", 1)
    clips = plan_clips(recordings, recordings, [], SIMULATION)
    held_out = {item.path for clip in clips[-2:] for item in clip.speech[:-NUM_SPARE]}
    assert held_out and not held_out & set(clean["wav.scp"].values())
    assert {audio_info(path)[2] for path in read_data_dir(tmp_path / "data" / "rooms_train")["wav.scp"].values()} == {1}
    preprocessor = EnhPreprocessor(
        train=True,
        noise_scp=str(tmp_path / "data/noise_train/wav.scp"),
        noise_db_range="-5_20",
        sample_rate=16000,
        rir_scp=str(tmp_path / "data/rooms_train/wav.scp"),
        use_reverberant_ref=True,
        num_spk=1,
    )
    speech = read(clean["wav.scp"], next(iter(clean["wav.scp"]))).astype(np.float32)
    made = preprocessor("x", {"speech_mix": speech, "speech_ref1": speech.copy()})
    ratio = 10 * np.log10(np.mean(made["speech_ref1"] ** 2) / np.mean((made["speech_mix"] - made["speech_ref1"]) ** 2))
    assert made["speech_mix"].shape == speech.shape and -7 < ratio < 22


def test_check_writes_nothing(root, tmp_path, capsys):
    options = ["--root", str(root), "--datadir", str(tmp_path / "data"), "--check", "--nj", "1"]
    with pytest.raises(UserError, match="no_reverb: 3 recordings, 150 were published; .*--incomplete"):
        main(options)
    assert main([*options, "--incomplete"]) == 0
    assert "no_reverb: 3 recordings, complete" in capsys.readouterr().out and not (tmp_path / "data").exists()
    with pytest.raises(UserError, match="--snr_range: 5 is above 0"):
        main([*options, "--snr_range", "5", "0"])


def test_broken_trees_are_one_line(root, tmp_path):
    def refused(match):
        with pytest.raises(UserError, match=match) as error:
            prepare(root, tmp_path / "data", SMALL, 1)
        assert "\n" not in str(error.value)

    tests = root / "datasets" / "test_set" / "synthetic"
    soundfile.write(tests / "no_reverb" / "clean" / "other_fileid_14.wav", np.zeros(9), 16000)
    refused("fileid 14 occurs twice")
    (tests / "no_reverb" / "clean" / "other_fileid_14.wav").rename(tests / "no_reverb" / "clean" / "x.wav")
    refused("does not end in fileid_<number>")
    (tests / "no_reverb" / "clean" / "x.wav").unlink()
    (tests / "with_reverb" / "clean" / "clean_fileid_158.wav").unlink()
    refused("_fileid_158.wav: has no counterpart in .*with_reverb/clean")
    shutil.rmtree(tests / "with_reverb" / "clean")
    refused("DNS: .*with_reverb/clean: no such folder")
    shutil.rmtree(root / "datasets" / "test_set")
    refused("DNS: .*DNS Challenge: has no datasets/test_set or test_set")


@pytest.mark.parametrize(
    "name, match",
    [
        ("clean", "has no datasets/clean or"),
        ("noise", "has no datasets/noise or"),
        ("test_set/real_recordings", "real_recordings: no such folder"),
    ],
)
def test_missing_folders_are_named(root, tmp_path, name, match):
    shutil.rmtree(root / "datasets" / name)
    settings = replace(SMALL, incomplete=name in ("clean", "noise"))
    if not settings.incomplete:
        for kind in ("no_reverb", "with_reverb"):
            for number in range(200, 347):
                for part, stem in (("clean", "clean"), ("noisy", "x_snr0_tl-1")):
                    folder = root / "datasets/test_set/synthetic" / kind / part
                    shutil.copy(folder.parent / "clean" / "clean_fileid_0.wav", folder / f"{stem}_fileid_{number}.wav")
    with pytest.raises(UserError, match=f"DNS: .*{match}"):
        prepare(root, tmp_path / "data", settings, 1)


def test_rejected_recordings_are_listed_and_replaced(root, tmp_path):
    clean = sorted((root / "datasets" / "clean").iterdir())
    clean[0].write_bytes(b"RIFF not audio")
    soundfile.write(clean[1], np.zeros(0), 16000)
    soundfile.write(clean[2], np.ones(11200), 16000, subtype="FLOAT")  # clipped
    quiet = np.zeros(11200)
    quiet[:400] = 0.1
    soundfile.write(clean[3], quiet, 16000)
    noisy = root / "datasets/test_set/synthetic/no_reverb/noisy"
    (noisy / "clnsp1_train_69005_1_snr4_tl-21_fileid_14.wav").write_bytes(b"x")
    lines = prepare(root, tmp_path / "data", SMALL, 1)
    assert lines[0].startswith(f"{tmp_path}/data/train: 10 utterances") and "cannot be used, see" in lines[0]
    rows = [
        row.split("\t")
        for name in ("train", "valid")
        for row in (tmp_path / "data" / name / "rejected.tsv").read_text().splitlines()[1:]
    ]
    reasons = {row[1]: row[2] for row in rows}
    assert "not readable" in reasons[str(clean[0])] and reasons[str(clean[1])] == "empty, no samples"
    assert reasons[str(clean[2])] == "clipped"
    assert sorted(read_data_dir(tmp_path / "data" / "no_reverb")["wav.scp"]) == ["fileid_0", "fileid_158"]
    assert "fileid_14\t" in (tmp_path / "data" / "no_reverb" / "rejected.tsv").read_text()


def test_speech_that_is_hardly_active_is_refused(root, tmp_path):
    quiet = np.full(11200, 1e-4)
    quiet[:400] = 0.1
    for path in (root / "datasets" / "clean").iterdir():
        soundfile.write(path, quiet, 16000)
    with pytest.raises(UserError, match="none of 1[0-9]* utterances is usable .*active in [0-9]* % of it at most"):
        prepare(root, tmp_path / "data", SMALL, 1)
