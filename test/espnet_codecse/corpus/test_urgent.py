"""The URGENT 2024 challenge in small: simulation, official sets, lists, unpaired halves, broken trees."""

import cProfile
import hashlib
import shutil
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import urgent_tree
import yaml
from corpus_trees import vctk_demand
from recipe_runs import ROOT

from espnet_codecse.audio import audio_info, read_audio
from espnet_codecse.bin.prepare_urgent import main
from espnet_codecse.corpus import urgent_layout as layout
from espnet_codecse.corpus.data_dir import read_data_dir, validate_data_dir
from espnet_codecse.corpus.sources import SourceRecording
from espnet_codecse.corpus.urgent import UrgentSettings, prepare
from espnet_codecse.corpus.urgent_lists import divide_noise, halves_of
from espnet_codecse.corpus.urgent_rules import RESAMPLERS, active_power, clip, in_room, limit_bandwidth, read_noise
from espnet_codecse.corpus.urgent_simulation import DISTORTIONS, Speech, UrgentSimulation, plan_mixtures
from espnet_codecse.errors import UserError

SMALL = UrgentSettings()
DRY = replace(SMALL, simulation=UrgentSimulation(reverb_probability=0.0))
NARROW = "dns5_06709_book_00000_chp_0009_reader_06709_0"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return urgent_tree.build(tmp_path_factory.mktemp("urgent") / "built")


@pytest.fixture
def root(built, tmp_path):
    return shutil.copytree(built, tmp_path / "URGENT 2024")


def read(path):
    return read_audio(path)[0][:, 0].astype(np.float64)


def digests(folder):
    return {path.relative_to(folder): hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*.flac")}


def high_band_db(signal, edge, rate=16000):
    """Energy above ``edge`` Hz, dB relative to all."""
    power = np.abs(np.fft.rfft(signal)) ** 2
    return 10 * np.log10(power[int(edge / rate * len(signal)) :].sum() / power.sum() + 1e-12)


@pytest.mark.slow
def test_sets_at_the_codecs_rate(root, tmp_path):
    lines = prepare(root, tmp_path / "data", SMALL, 1)
    names = ["train", "unpaired_noisy", "unpaired_speech", "unpaired_noise", "validation"]
    assert [line.split("/data/")[1].split(":")[0] for line in lines] == names
    assert lines[0].endswith("train: 10 utterances, 0.00 h, 8 speakers")
    for name in names:
        tables = read_data_dir(tmp_path / "data" / name)
        validate_data_dir(tmp_path / "data" / name, int(name in ("train", "validation")))
        for key, path in tables["wav.scp"].items():
            assert audio_info(path)[1:] == (16000, 1) and tables["utt2fs"][key] == "16000"
            for table in {"spk1.scp", "noise1.scp"} & set(tables):
                assert audio_info(tables[table][key]) == audio_info(path)
            assert int(tables["utt2num_samples"][key]) == audio_info(path)[0]
    validation = read_data_dir(tmp_path / "data" / "validation")
    assert sorted(validation["wav.scp"]) == ["cv11_2222_fileid_3", "libritts_84_fileid_2", "vctk_p226_fileid_1"]


@pytest.mark.slow
def test_snr_peak_and_sum(root, tmp_path):
    prepare(root, tmp_path / "data", DRY, 1)
    tables = read_data_dir(tmp_path / "data" / "train")
    assert set(tables["utt2reverb"].values()) == {"0"}
    for key, path in tables["wav.scp"].items():
        mixture, speech, noise = read(path), read(tables["spk1.scp"][key]), read(tables["noise1.scp"][key])
        assert max(np.abs(signal).max() for signal in (mixture, speech, noise)) == pytest.approx(0.9, abs=1e-3)
        snr = 10 * np.log10(active_power(speech) / active_power(noise))
        assert snr == pytest.approx(float(tables["utt2snr"][key]), abs=0.3) and -5 <= snr <= 20
        plain = np.abs(mixture - speech - noise).max() < 1e-3
        assert plain == (tables["utt2distortion"][key] == "none"), key


def test_narrow_band_speech_has_narrow_band_mixture_and_reference(root, tmp_path):
    prepare(root, tmp_path / "data", SMALL, 1)
    prepare(root, tmp_path / "dynamic", replace(SMALL, dynamic=True), 1)
    train, clean = (read_data_dir(tmp_path / name) for name in ("data/train", "dynamic/clean_train"))
    for table in ("wav.scp", "spk1.scp", "noise1.scp"):
        assert high_band_db(read(train[table][NARROW]), 4300) < -40
    assert high_band_db(read(clean["spk1.scp"][NARROW]), 4300) < -40
    assert clean["wav.scp"] == clean["spk1.scp"]
    wide = "vctk_p227_p227_001"  # "none", so nothing is cut off it
    assert train["utt2distortion"][wide] == "none" and high_band_db(read(train["wav.scp"][wide]), 4300) > -20
    validation = read_data_dir(tmp_path / "data" / "validation")
    for table in ("wav.scp", "spk1.scp"):
        assert high_band_db(read(validation[table]["cv11_2222_fileid_3"]), 4300) < -40


def test_own_rates_are_kept_on_demand(root, tmp_path):
    settings = replace(SMALL, simulation=UrgentSimulation(keep_rates=True))
    prepare(root, tmp_path / "data", settings, 1)
    train, validation = (read_data_dir(tmp_path / "data" / name) for name in ("train", "validation"))
    rates = {f"{speaker}_{key}": rate for key, (speaker, rate, _) in urgent_tree.SPEECH.items()}
    assert {key: int(rate) for key, rate in train["utt2fs"].items()} == rates
    for key, path in [*train["wav.scp"].items(), *train["spk1.scp"].items()]:
        assert audio_info(path)[:2] == (int(1.2 * rates[key]), rates[key])
    assert validation["wav.scp"]["vctk_p226_fileid_1"].endswith("simulation_validation/noisy/fileid_1.flac")
    assert validation["utt2category"]["libritts_84_fileid_2"] == "1ch_24000Hz"
    assert set(read_data_dir(tmp_path / "data" / "unpaired_noisy")["utt2fs"].values()) == {"16000"}


def test_unpaired_lists_share_neither_speaker_nor_noise(root, tmp_path):
    prepare(root, tmp_path / "data", DRY, 1)
    tables = {name: read_data_dir(tmp_path / "data" / f"unpaired_{name}") for name in ("noisy", "speech", "noise")}
    train = read_data_dir(tmp_path / "data" / "train")
    noisy, speech = (set(tables[name]["utt2spk"].values()) for name in ("noisy", "speech"))
    assert noisy.isdisjoint(speech) and noisy | speech == set(train["utt2spk"].values())
    assert set(tables["speech"]["wav.scp"].values()) <= set(train["spk1.scp"].values())
    listed = [item.path for item in divide_noise(recordings(root))[1]]
    assert len(tables["noise"]["wav.scp"]) == len(listed) == 3
    rendered = plan(root, DRY.simulation)
    assert {item.name for item in rendered if item.noise not in listed} == set(tables["noisy"]["wav.scp"])


def recordings(root):
    files = layout.read_list(root / "data" / "noise_train.scp")
    return [
        SourceRecording(name, path[: path.rindex("_")] if "_" in path else path, path, *audio_info(path)[:2])
        for name, path in files.items()
    ]


def plan(root, simulation):
    pairs = layout.read_pairs(root / "data" / "speech_train")
    half = halves_of(pair.speaker for pair in pairs.values())
    speech = {name: Speech(pair.speaker, pair.clean, pair.rate, half[pair.speaker]) for name, pair in pairs.items()}
    return plan_mixtures(speech, divide_noise(recordings(root)), [], simulation)


def test_recordings_cut_in_parts_stay_in_one_half():
    parts = [SourceRecording(f"a_{n}_{m}", f"/x/a_{n}", f"/x/a_{n}_{m}.wav", 9, 9) for n in range(6) for m in range(3)]
    halves = divide_noise(parts)
    assert {item.group for item in halves[0]}.isdisjoint(item.group for item in halves[1])
    numbered = [SourceRecording(f"n_{n}", "/x/n", f"/x/n_{n}.wav", 9, 9) for n in range(4)]
    assert [len(half) for half in divide_noise(numbered)] == [2, 2]
    with pytest.raises(UserError, match="two at least"):
        divide_noise(numbered[:1])


@pytest.mark.slow
def test_same_bytes_for_any_number_of_jobs_after_an_interruption_and_in_a_subset(root, tmp_path, capsys):
    prepare(root, tmp_path / "one", SMALL, 1)
    made = digests(tmp_path / "one" / "audio")
    files = sorted((tmp_path / "one" / "audio").rglob("*.flac"))
    times = {path: path.stat().st_mtime_ns for path in files}
    capsys.readouterr()
    prepare(root, tmp_path / "one", SMALL, 1)
    assert "mix train: 10 of 10 were done by an earlier run" in capsys.readouterr().err
    assert {path: path.stat().st_mtime_ns for path in files} == times
    next((tmp_path / "one" / "audio").glob("train_*/.parts_*/0.json")).unlink()  # as if killed on the way
    next((tmp_path / "one" / "audio").glob("train_*/mix/*/*.flac")).unlink()
    prepare(root, tmp_path / "one", SMALL, 1)
    assert digests(tmp_path / "one" / "audio") == made
    prepare(root, tmp_path / "two", SMALL, 2)
    assert digests(tmp_path / "two" / "audio") == made
    prepare(root, tmp_path / "few", replace(SMALL, subset=3), 1)
    few = {key: value for key, value in digests(tmp_path / "few" / "audio").items() if "train_" in str(key)}
    assert len(few) == 9 and few.items() <= made.items()  # the same mixtures, fewer of them
    prepare(root, tmp_path / "numbers", replace(SMALL, num_train=5, num_valid=2), 1)
    counts = {name: len(read_data_dir(tmp_path / "numbers" / name)["wav.scp"]) for name in ("train", "validation")}
    assert counts == {"train": 5, "validation": 2}
    prepare(root, tmp_path / "other", replace(SMALL, simulation=UrgentSimulation(seed=1)), 1)
    other = {path.name: path.read_bytes() for path in (tmp_path / "other").glob("audio/train_*/mix/*/*.flac")}
    same = {path.name: path.read_bytes() for path in (tmp_path / "two").glob("audio/train_*/mix/*/*.flac")}
    assert len(other) == 10 and not set(other.values()) & set(same.values())


@pytest.mark.slow
def test_plan_has_the_challenges_portions_and_ranges():
    noise = [
        [SourceRecording(f"n{half}{n}", "n", f"{half}/{n}.wav", 9, rate) for n, rate in enumerate((8000, 16000, 48000))]
        for half in (0, 1)
    ]
    rooms = [SourceRecording("r", "r", "r.wav", 9, 48000)]
    rates = (8000, 16000, 22050, 24000, 32000, 44100, 48000)
    speech = {f"s{n % 50}_{n}": Speech(f"s{n % 50}", f"{n}.wav", rates[n % 7], n % 2) for n in range(7000)}
    mixtures = plan_mixtures(speech, noise, rooms, UrgentSimulation())
    assert [item.name for item in mixtures] == list(speech)
    assert min(item.snr for item in mixtures) < -4.9 and max(item.snr for item in mixtures) > 19.9
    assert np.mean([bool(item.room) for item in mixtures]) == pytest.approx(0.5, abs=0.03)
    wide = [item for item in mixtures if item.rate > 8000]
    for distortion in DISTORTIONS:
        assert np.mean([item.distortion == distortion for item in wide]) == pytest.approx(1 / 3, abs=0.03)
    assert all(item.distortion != "bandwidth" for item in mixtures if item.rate == 8000)
    assert {item.bandwidth for item in wide} == {8000}  # all that is narrower than the codec's 16000
    assert all(0 <= item.low <= 0.1 and 0.9 <= item.high <= 1.0 for item in mixtures)
    assert {item.noise for item in mixtures if item.rate == 8000} == {item.path for half in noise for item in half}
    assert not any(item.noise.endswith("0.wav") for item in wide)  # never narrower than the speech
    assert all(item.noise.startswith(str(speech[item.name].half)) for item in mixtures)
    kept = plan_mixtures(speech, noise, rooms, UrgentSimulation(keep_rates=True))
    assert {item.bandwidth for item in kept if item.rate == 24000} == {8000, 16000, 22050}
    assert {item.noise[2:] for item in kept if item.rate > 16000} == {"2.wav"}


@pytest.mark.slow
def test_the_work_grows_with_the_number_of_lines_alone(tmp_path):
    """The challenge has a hundred thousand lines: four times the lines are four times the calls."""
    audio = tmp_path / "x.wav"
    soundfile.write(audio, np.ones(8), 16000)
    noise = [[SourceRecording("n", "n", "n.wav", 9, 48000)]] * 2

    def num_calls(num_lines: int) -> int:
        base = tmp_path / str(num_lines)
        rows = {f"u{n:06d}": (f"s{n % 900:03d}", 16000, str(audio), str(audio)) for n in range(num_lines)}
        urgent_tree.write_tables(base, rows)
        with cProfile.Profile() as profile:
            pairs = layout.read_pairs(base)
            half = halves_of(pair.speaker for pair in pairs.values())
            speech = {
                key: Speech(pair.speaker, pair.clean, pair.rate, half[pair.speaker]) for key, pair in pairs.items()
            }
            assert len(plan_mixtures(speech, noise, [], UrgentSimulation())) == num_lines
        return sum(entry.callcount for entry in profile.getstats())

    assert num_calls(4000) < 5 * num_calls(1000)


def test_active_power_is_espnets():
    from espnet2.train.preprocessor import detect_non_silence

    rng = np.random.default_rng(0)
    for length in (700, 5000, 40960, 50001):
        signal = 0.1 * rng.standard_normal(length)
        signal[length // 3 : length // 2] *= 1e-3
        expected = (signal[None][detect_non_silence(signal[None])] ** 2).mean() if length > 1024 else (signal**2).mean()
        assert 10 * np.log10(active_power(signal) / expected) == pytest.approx(0, abs=0.6)
    with pytest.raises(ValueError, match="silent"):
        active_power(np.zeros(4000))


@pytest.mark.parametrize("resampler", RESAMPLERS)
@pytest.mark.parametrize("num_samples", [15999, 16000, 22051])
def test_limited_bandwidth_keeps_length_and_place(resampler, num_samples):
    rng = np.random.default_rng(0)
    low = np.sin(2 * np.pi * 1000 * np.arange(num_samples) / 22050)
    made = limit_bandwidth(low + 0.1 * rng.standard_normal(num_samples), 22050, 8000, resampler)
    assert len(made) == num_samples and high_band_db(made, 4600, 22050) < -35
    assert np.corrcoef(made[500:-500], low[500:-500])[0, 1] > 0.99


def test_clipping_cuts_at_quantiles():
    signal = np.random.default_rng(0).standard_normal(10_000)
    cut = clip(signal, 0.1, 0.95)
    assert np.mean(cut == cut.min()) == pytest.approx(0.1, abs=0.002)
    assert np.mean(cut == cut.max()) == pytest.approx(0.05, abs=0.002)
    assert np.array_equal(clip(signal, 0.0, 1.0), signal)


def test_reverberant_reference_has_early_reflections_only(tmp_path):
    response = np.zeros((9600, 2))
    response[[480, 480 + 1440, 480 + 4800], 0] = 0.8, 0.4, 0.2  # direct path, 30 ms and 100 ms later
    response[:, 1] = 1.0  # another microphone
    urgent_tree.write(tmp_path / "room.wav", response, 48000)
    speech = np.zeros(16000)
    speech[1000] = 1.0
    heard, reference = in_room(speech, str(tmp_path / "room.wav"), 16000)
    expected = {1000: 1.0, 1480: 0.5, 2600: 0.25}
    for place, value in expected.items():
        assert heard[place - 2 : place + 3].max() / heard[998:1003].max() == pytest.approx(value, rel=0.05)
    assert np.allclose(reference[:1700], heard[:1700], atol=1e-3) and np.abs(reference[2300:]).max() < 1e-3


def test_noise_is_cut_repeated_and_never_silent(tmp_path):
    rng = np.random.default_rng(0)
    urgent_tree.write(tmp_path / "long.wav", np.linspace(0.1, 0.9, 96000), 48000)
    urgent_tree.write(tmp_path / "short.wav", 0.1 * rng.standard_normal(2400), 48000)
    rare = np.zeros(480000)
    rare[400000:401000] = 0.5
    urgent_tree.write(tmp_path / "rare.wav", rare, 48000)
    for name in ("long", "short", "rare"):
        for _ in range(5):
            noise = read_noise(str(tmp_path / f"{name}.wav"), 8000, 16000, rng)
            assert noise.shape == (8000,) and (name == "rare" or noise.std() > 0.01)
    with pytest.raises(ValueError, match="all samples are zero"):
        urgent_tree.write(tmp_path / "none.wav", np.zeros(9000), 48000)
        read_noise(str(tmp_path / "none.wav"), 8000, 16000, rng)


def test_test_set_is_that_of_vctk_demand(root, tmp_path):
    settings = replace(SMALL, vctk_demand=vctk_demand(tmp_path / "vctk"), incomplete=True)
    prepare(root, tmp_path / "data", settings, 1)
    tables = read_data_dir(tmp_path / "data" / "vctk_demand_test")
    assert sorted(tables["wav.scp"]) == ["p232_001", "p232_002", "p257_001", "p257_002"]
    assert set(tables["utt2snr"].values()) == {"2.5", "7.5", "12.5", "17.5"}
    assert validate_data_dir(tmp_path / "data" / "vctk_demand_test", 1) == 4
    with pytest.raises(UserError, match="4 utterances in testset, 824 were published"):
        prepare(root, tmp_path / "data", replace(settings, incomplete=False), 1)


def test_official_training_mixtures_as_they_are(root, tmp_path):
    rows = {f"fileid_{n}": (f"vctk_p{225 + n % 3}", 16000) for n in range(6)}
    urgent_tree.write_simulated(root, "train", rows, np.random.default_rng(3))
    prepare(root, tmp_path / "data", replace(SMALL, official_train=True), 1)
    train, noisy, speech = (
        read_data_dir(tmp_path / "data" / name) for name in ("train", "unpaired_noisy", "unpaired_speech")
    )
    assert len(train["wav.scp"]) == 6 and "noise1.scp" not in train
    assert train["wav.scp"]["vctk_p225_fileid_0"].endswith("simulation_train/noisy/fileid_0.flac")  # not rewritten
    assert set(noisy["utt2spk"].values()) == {"vctk_p225", "vctk_p227"} and len(speech["wav.scp"]) == 2
    with pytest.raises(UserError, match="choose one"):
        prepare(root, tmp_path / "data", replace(SMALL, official_train=True, dynamic=True), 1)


@pytest.mark.slow
def test_lists_and_configuration_feed_espnets_preprocessor(root, tmp_path, monkeypatch):
    from espnet2.train.preprocessor import EnhPreprocessor

    prepare(root, tmp_path / "data", replace(SMALL, dynamic=True), 1)
    assert not (tmp_path / "data" / "train").exists()
    assert {audio_info(path)[1:] for path in read_data_dir(tmp_path / "data/rooms_train")["wav.scp"].values()} == {
        (16000, 1)
    }
    conf = yaml.safe_load((ROOT / "egs2/urgent/enh1/conf/nac_se/variant/dynamic_mixing.yaml").read_text())
    names = (
        "sample_rate",
        "speech_segment",
        "noise_scp",
        "noise_db_range",
        "rir_scp",
        "rir_apply_prob",
        "use_reverberant_ref",
    )
    monkeypatch.chdir(tmp_path)
    options = {name: conf[name] for name in names}
    preprocessor = EnhPreprocessor(train=True, num_spk=1, **options, **conf["preprocessor_conf"])
    clean = read_data_dir(tmp_path / "data" / "clean_train")["wav.scp"]
    np.random.seed(0)
    for path in list(clean.values()) * 4:
        speech = read(path).astype(np.float32)
        made = preprocessor("x", {"speech_mix": speech, "speech_ref1": speech.copy()})
        assert made["speech_mix"].shape == made["speech_ref1"].shape == speech.shape
        assert np.isfinite(made["speech_mix"]).all() and np.abs(made["speech_mix"] - made["speech_ref1"]).max() > 1e-3


def test_check_writes_nothing(root, tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("VCTK_DEMAND", raising=False)
    options = ["--root", str(root), "--datadir", str(tmp_path / "data"), "--check", "--nj", "1"]
    with pytest.raises(UserError, match="VCTK_DEMAND: not set"):
        main(options)
    assert main([*options, "--without_test"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert [line.rsplit("/", 1)[1] for line in out] == [
        "speech_train: 10 utterances",
        "validation: 3 utterances",
        "noise_train.scp: 6 recordings",
        "rir_train.scp: 2 recordings",
    ]
    assert not (tmp_path / "data").exists()
    assert main([*options, "--without_test", "--root", str(root / "data")]) == 0  # either folder will do
    with pytest.raises(UserError, match="--snr_range: 5 is above 0"):
        main([*options, "--snr_range", "5", "0"])
    with pytest.raises(UserError, match="--reverb_probability: 2 is not"):
        main([*options, "--reverb_probability", "2"])


@pytest.mark.parametrize("name", ["speech_train", "validation", "noise_train.scp", "rir_train.scp", "train"])
def test_missing_folders_and_lists_are_named(root, tmp_path, name):
    path = root / "data" / name
    if path.is_dir():
        shutil.rmtree(path)
    elif path.exists():
        path.unlink()
    with pytest.raises(UserError, match=f"URGENT: .*data: has no {name}; "):
        prepare(root, tmp_path / "data", replace(SMALL, official_train=name == "train"), 1)


def test_a_folder_that_is_another_corpus(tmp_path):
    with pytest.raises(UserError, match="URGENT: .*: has no data/speech_train or speech_train or"):
        prepare(tmp_path, tmp_path / "data", SMALL, 1)


def edit(path, *changes):
    text = path.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)


@pytest.mark.parametrize(
    "file, old, new, match",
    [
        ("speech_train/wav.scp", "p225_002 ", "p225_001 ", "the id 'p225_001' occurs twice"),
        ("speech_train/utt2fs", "p225_002 48000\n", "", "no line for 'p225_002'; utt2fs has 9 utterances, wav.scp 10"),
        ("validation/spk1.scp", "fileid_2 ", "fileid_9 ", "spk1.scp: no line for 'fileid_2'"),
        ("speech_train/utt2fs", "p225_002 48000", "p225_002 48k", "'p225_002': '48k' is no sample rate"),
        ("speech_train/utt2spk", "p225_002 vctk_p225", "p225_002", "has no value"),
        ("speech_train/wav.scp", "./vctk/VCTK-Corpus/wav48/p225/p225_002.wav", "sox x.mp3 -t wav - |", "is a pipe"),
        (
            "speech_train/spk1.scp",
            "p225_002.wav",
            "away.wav",
            r"'vctk_p225_p225_002': no such file: .*away.wav \(1 of 10",
        ),
        ("noise_train.scp", "xY_8", "away", r"noise_train.scp: 'away': no such file: .*away.wav \(1 of 6"),
        ("rir_train.scp", "SLR26", "SLR99", "rir_train.scp: .*no such file: .*SLR99"),
        ("noise_train.scp", "fan_Freesound_validated_2_0", "door_Freesound_validated_1_0", ":3: .*stands in line 1"),
    ],
)
def test_broken_lists_are_one_line(root, tmp_path, file, old, new, match):
    edit(root / "data" / file, (old, new))
    with pytest.raises(UserError, match=match) as error:
        prepare(root, tmp_path / "data", SMALL, 1)
    assert "\n" not in str(error.value)


def test_incomplete_takes_what_is_there(root, tmp_path):
    edit(root / "data" / "speech_train" / "utt2fs", ("p225_002 48000\n", ""))
    edit(root / "data" / "speech_train" / "wav.scp", ("p227_001.wav", "away.wav"))
    edit(root / "data" / "noise_train.scp", ("xY_8", "away"))
    prepare(root, tmp_path / "data", replace(SMALL, incomplete=True), 1)
    train = read_data_dir(tmp_path / "data" / "train")["wav.scp"]
    assert len(train) == 8 and not {"vctk_p225_p225_002", "vctk_p227_p227_001"} & set(train)
    (root / "data" / "noise_train.scp").write_text("\n")
    with pytest.raises(UserError, match="lists no file"):
        prepare(root, tmp_path / "data", replace(SMALL, incomplete=True), 1)


def test_ids_and_columns_of_lists(root, tmp_path):
    path = root / "data" / "noise_train.scp"
    shutil.copytree(root / "wham", root / "a b" / "wham")
    (root / "wham" / "tr" / "x y.wav").write_bytes(b"")
    name = "wham/tr/01aa010b_0.97_209a010p_-0.97.wav"
    path.write_text(
        f"./{name}\n./a b/{name}\nwham/tr/x y.wav\nid1 ./dns5_fullband/resampled/noise/8000/xY_8.wav\n"
        "id2 48000 ./dns5_fullband/resampled/noise/48000/-0aBc.wav\n"
    )
    assert {key: value.replace(str(root), "") for key, value in layout.read_list(path).items()} == {
        "01aa010b_0.97_209a010p_-0.97": f"/{name}",
        "tr-01aa010b_0.97_209a010p_-0.97": f"/a b/{name}",
        "x_y": "/wham/tr/x y.wav",
        "id1": "/dns5_fullband/resampled/noise/8000/xY_8.wav",
        "id2": "/dns5_fullband/resampled/noise/48000/-0aBc.wav",
    }
    edit(path, ("id2 48000", "id1 48000"))
    with pytest.raises(UserError, match="noise_train.scp:5: the id 'id1' occurs twice"):
        layout.read_list(path)


def test_unusable_audio_is_listed(root, tmp_path):
    speech = {key: root / path for key, (_, _, path) in urgent_tree.SPEECH.items()}
    speech["p225_001"].write_bytes(b"RIFF not audio")
    soundfile.write(speech["p225_002"], np.zeros(0), 48000)
    soundfile.write(speech["p227_001"], 0.1 * np.ones(16000), 16000)
    soundfile.write(speech["common_voice_en_1"], np.zeros(16000), 16000)
    bad = np.ones(9000)
    bad[5] = np.nan
    away = root / "vctk" / "nan.wav"
    soundfile.write(away, bad, 44100, subtype="FLOAT")
    for table in ("wav.scp", "spk1.scp"):
        edit(root / "data" / "speech_train" / table, (urgent_tree.SPEECH["common_voice_en_3"][2], "./vctk/nan.wav"))
    (root / urgent_tree.NOISE[3][0]).write_bytes(b"")
    (root / urgent_tree.ROOMS[0]).write_bytes(b"no audio")
    noisy = root / "simulation_validation" / "noisy"
    soundfile.write(noisy / "fileid_1.flac", np.ones(300), 48000)
    soundfile.write(noisy / "fileid_2.flac", np.ones(28800), 16000)
    lines = prepare(root, tmp_path / "data", SMALL, 1)
    assert lines[0].endswith(
        f"train: 5 utterances, 0.00 h, 5 speakers; 7 cannot be used, see {tmp_path}/data/train/rejected.tsv"
    )
    rows = [row.split("\t") for row in (tmp_path / "data/train/rejected.tsv").read_text().splitlines()[1:]]
    reasons = {row[0]: row[2] for row in rows}
    assert "not readable" in reasons["vctk_p225_p225_001"] and "not readable" in reasons["Room001-00001"]
    assert reasons["vctk_p227_p227_001"] == "wrong rate, 16000 Hz, utt2fs has 48000 Hz"
    assert reasons["vctk_p225_p225_002"] == "empty, no samples" and "NaN" in reasons["cv11_ffff_common_voice_en_3"]
    assert reasons["cv11_0a1b_common_voice_en_1"] == "all samples are zero" and "-0aBc" in reasons
    rows = (tmp_path / "data/validation/rejected.tsv").read_text().splitlines()[1:]
    assert "wrong rate, 16000 Hz, utt2fs has 24000" in rows[0] and "length mismatch, 57600 samples" in rows[1]
    assert list(read_data_dir(tmp_path / "data" / "validation")["wav.scp"]) == ["cv11_2222_fileid_3"]


def test_speech_without_noise_of_its_rate_is_listed(root, tmp_path):
    paths = [path for path, rate in urgent_tree.NOISE if rate == 48000]
    for path in paths:
        soundfile.write(root / path, 0.1 * np.ones(9000), 8000)
    prepare(root, tmp_path / "data", SMALL, 1)
    assert set(read_data_dir(tmp_path / "data" / "train")["utt2spk"].values()) == {"dns5_06709", "dns5_06710"}
    assert "there is no noise recording of 16000 Hz or more" in (tmp_path / "data/train/rejected.tsv").read_text()
    for path, _ in urgent_tree.NOISE:
        (root / path).write_bytes(b"no audio")
    with pytest.raises(UserError, match="none of 6 noise can be used"):
        prepare(root, tmp_path / "again", SMALL, 1)
