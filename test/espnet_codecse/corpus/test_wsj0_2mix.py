"""WSJ0-2mix from an existing tree and from raw WSJ0 and lists, in small, and broken trees."""

import re
import shutil

import numpy as np
import pytest
import soundfile
from corpus_trees import WSJ0_MIX, wsj0_2mix_tree
from corpus_trees import wsj0_2mix as build_raw
from sphere_files import compress_sphere, install_decoder

from espnet_codecse.audio import audio_info, read_audio, resample
from espnet_codecse.bin.prepare_wsj0_2mix import main
from espnet_codecse.corpus import wsj0_2mix
from espnet_codecse.corpus.check import FormatSettings, format_data_dir
from espnet_codecse.corpus.data_dir import read_data_dir, validate_data_dir
from espnet_codecse.corpus.speech_level import active_level
from espnet_codecse.corpus.wsj0_2mix import Wsj0MixSettings, find_mixtures, prepare, read_list, utterance_id
from espnet_codecse.errors import UserError

SMALL = Wsj0MixSettings(incomplete=True)
FIRST = "01t_40p_01to030v_1.9857_40po031a_-1.9857"


@pytest.fixture
def raw(tmp_path):
    return build_raw(tmp_path / "CSR-I (WSJ0) Complete")


@pytest.fixture
def tree(tmp_path):
    return wsj0_2mix_tree(tmp_path / "wsj0 mix")


def read(table, utterance):
    return read_audio(table[utterance])[0][:, 0].astype(np.float64)


def level_difference(raw, tables):
    """Active level of the first utterance over that of the second, whole, and scaled as in the mixture FIRST; dB."""
    levels = []
    for name, file in (("spk1.scp", "01t/01to030v.wv1"), ("spk2.scp", "40p/40po031a.wv1")):
        speech, rate = read_audio(raw / "11-1.1/wsj0/si_tr_s" / file)
        speaker, mix_rate = read_audio(tables[name][FIRST])
        source = resample(speech[:, 0], rate, mix_rate)[: len(speaker)]
        gain = source @ speaker[: len(source), 0] / (source @ source)
        levels.append(10 * np.log10(gain**2 * active_level(resample(speech[:, 0], rate, 8000), 8000)[0]))
    return levels[0] - levels[1]


def refused(match, *arguments):
    with pytest.raises(UserError, match=match) as error:
        prepare(*arguments)
    assert "\n" not in str(error.value)


def test_raw_corpus_is_mixed_at_the_lists_levels(raw, tmp_path):
    lines = prepare(raw, tmp_path / "data", SMALL, 1)
    assert [line.split(",")[0] for line in lines] == [
        f"{tmp_path}/data/{part}_min_8k: {len(WSJ0_MIX[part])} utterances" for part in ("tr", "cv", "tt")
    ]
    assert validate_data_dir(tmp_path / "data" / "tr_min_8k", 2) == 4
    tables = read_data_dir(tmp_path / "data" / "tr_min_8k")
    assert tables["utt2spk"][FIRST] == "01t_40p" and set(tables["utt2fs"].values()) == {"8000"}
    for utterance, path in tables["wav.scp"].items():
        mixture, first, second = (read(tables[name], utterance) for name in ("wav.scp", "spk1.scp", "spk2.scp"))
        assert audio_info(path) == (int(tables["utt2num_samples"][utterance]), 8000, 1)
        assert np.abs(mixture - first - second).max() < 2 / 32768
        assert max(np.abs(mixture).max(), np.abs(first).max(), np.abs(second).max()) == pytest.approx(0.9, abs=1e-4)
    assert level_difference(raw, tables) == pytest.approx(2 * 1.9857, abs=0.01)


def test_published_list_form_gives_the_published_names(raw):
    pairs = {pair.line: pair for pair in read_list(raw / "mix_2_spk_tr.txt", True)}
    assert pairs[2].first == "si_tr_s/40p/40po031b" and pairs[2].second_db == -0.059714
    assert utterance_id("40po031b_0.059714_01to030w_-0.059714")[1] == "40p_01t"


@pytest.mark.parametrize("length, choose", [("min", min), ("max", max)])
def test_16k_has_the_8k_levels_and_the_length(raw, tmp_path, length, choose):
    prepare(raw, tmp_path / "data", Wsj0MixSettings(16000, length, incomplete=True), 1)
    tables = read_data_dir(tmp_path / "data" / f"tr_{length}_16k")
    first = audio_info(raw / "11-1.1/wsj0/si_tr_s/01t/01to030v.wv1")[0]
    second = audio_info(raw / "11-1.1/wsj0/si_tr_s/40p/40po031a.wv1")[0]
    assert int(tables["utt2num_samples"][FIRST]) == choose(first, second) and tables["utt2fs"][FIRST] == "16000"
    assert level_difference(raw, tables) == pytest.approx(2 * 1.9857, abs=0.01)


def test_existing_tree_stays_where_it_is_and_the_dump_has_the_codecs_rate(tree, tmp_path):
    for root in (tree, tree / "2speakers"):
        prepare(root, tmp_path / "data", SMALL, 1)
        tables = read_data_dir(tmp_path / "data" / "tt_min_8k")
        path = tables["spk2.scp"]["440_050_440c0201_2.0178_050a0501_-2.0178"]
        assert path == f"{tree}/2speakers/wav8k/min/tt/s2/440c0201_2.0178_050a0501_-2.0178.wav"
    assert not (tmp_path / "data" / "audio").exists()
    assert validate_data_dir(tmp_path / "data" / "cv_min_8k", 2) == 2
    format_data_dir(tmp_path / "data" / "tr_min_8k", tmp_path / "dump", FormatSettings(num_references=2))
    dump = read_data_dir(tmp_path / "dump")
    assert len(dump["wav.scp"]) == 4 and set(dump["utt2fs"].values()) == {"16000"}
    for name in ("wav.scp", "spk1.scp", "spk2.scp"):
        assert audio_info(dump[name][FIRST])[1] == 16000
        assert audio_info(dump[name][FIRST])[0] == int(dump["utt2num_samples"][FIRST])


@pytest.mark.slow
def test_compressed_corpus_gives_the_same_mixtures(raw, tmp_path, monkeypatch):
    prepare(raw, tmp_path / "plain", SMALL, 1)
    for path in raw.rglob("*.wv1"):
        compress_sphere(path)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    refused("no sph2pipe in PATH", raw, tmp_path / "data", SMALL, 1)
    install_decoder(tmp_path / "bin")
    prepare(raw, tmp_path / "data", SMALL, 1)
    before, after = (read_data_dir(tmp_path / name / "tr_min_8k")["wav.scp"] for name in ("plain", "data"))
    assert all(np.array_equal(read(before, key), read(after, key)) for key in before) and len(after) == 4


def test_second_run_mixes_nothing_and_a_subset_is_part_of_the_whole(raw, tmp_path, capsys):
    prepare(raw, tmp_path / "data", SMALL, 1)
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "data" / "audio").rglob("*.flac")}
    assert len(files) == 24
    prepare(raw, tmp_path / "data", SMALL, 1)
    assert "4 of 4 were done by an earlier run" in capsys.readouterr().err
    assert files == {path: path.stat().st_mtime_ns for path in files}
    prepare(raw, tmp_path / "small", Wsj0MixSettings(incomplete=True, subset=2), 1)
    assert len(read_data_dir(tmp_path / "small" / "tr_min_8k")["wav.scp"]) == 2


def test_check_writes_nothing(raw, tree, tmp_path, capsys):
    for root in (raw, tree):
        options = ["--root", str(root), "--datadir", str(tmp_path / "data"), "--check", "--incomplete", "--fs", "16k"]
        assert main(options) == 0
        assert re.search(r"cv(\.txt)?: 2 of 5000 mixtures\n", capsys.readouterr().out)
    assert not (tmp_path / "data").exists()


def test_published_counts(raw, tree, tmp_path):
    refused("tr.txt: 4 mixtures, 20000 were published; .*--incomplete", raw, tmp_path, Wsj0MixSettings(), 1)
    refused("wav8k/min/tr: 4 mixtures, 20000 were published", tree, tmp_path, Wsj0MixSettings(), 1)


def test_list_that_points_to_a_missing_file(raw, tmp_path, monkeypatch):
    monkeypatch.setattr(wsj0_2mix, "COUNTS", {part: len(lines) for part, lines in WSJ0_MIX.items()})
    assert len(prepare(raw, tmp_path / "complete", Wsj0MixSettings(), 1)) == 3
    (raw / "11-1.1/wsj0/si_tr_s/01t/01tc020a.wv1").unlink()
    refused("spk_tr.txt: line 3: no si_tr_s/01t/01tc020a below .*; complete WSJ0", raw, tmp_path, Wsj0MixSettings(), 1)
    lines = prepare(raw, tmp_path / "data", SMALL, 1)  # --incomplete: without that mixture
    assert "cv_min_8k: 1 utterances" in lines[1] and "1 cannot be used" in lines[1]
    assert "no such utterance" in (tmp_path / "data" / "cv_min_8k" / "rejected.tsv").read_text()


def test_broken_lists_are_one_line(raw, tmp_path):
    path = raw / "mix_2_spk_cv.txt"
    good = path.read_text()
    path.write_text(good + good.splitlines()[0] + "\n")
    refused("line 3: '.*' was in line 1 already; remove one", raw, tmp_path, SMALL, 1)
    path.write_text("wsj0/si_tr_s/01t/01to030v.wav 1.0\n")
    refused("line 1 is not 'file dB file dB'", raw, tmp_path, SMALL, 1)
    path.unlink()
    refused("mix_2_spk_cv.txt: no such mixing list; give its folder with --lists", raw, tmp_path, SMALL, 1)
    shutil.rmtree(raw)
    raw.mkdir()
    refused("WSJ0: .*: has no 2speakers/wav8k/min and no mix_2_spk_tr.txt; give", raw, tmp_path, SMALL, 1)


def test_broken_trees_are_one_line(tree, tmp_path):
    wanted = tree / "2speakers" / "wav8k" / "min"
    refused("2speakers: has no wav16k/min", tree, tmp_path, Wsj0MixSettings(16000, incomplete=True), 1)
    name = "01to030v_1.9857_40po031a_-1.9857.wav"
    (wanted / "tr" / "s2" / name).rename(tmp_path / "away.wav")
    refused(f"tr/mix/{name}: 1 files have no counterpart in s2", tree, tmp_path, SMALL, 1)
    (tmp_path / "away.wav").rename(wanted / "tr" / "s2" / name)
    for kind in ("mix", "s1", "s2"):
        shutil.copy(wanted / "tr" / kind / name, wanted / "tr" / kind / "my mixture.wav")
    refused("mix/my mixture.wav: not named 'utterance_dB_utterance_dB'", tree, tmp_path, SMALL, 1)
    shutil.rmtree(wanted / "cv" / "s1")
    with pytest.raises(UserError, match="WSJ0: .*/cv/s1: no such folder"):
        find_mixtures(wanted, "cv")


def test_unusable_audio_of_a_tree_is_listed(tree, tmp_path):
    folder = tree / "2speakers" / "wav8k" / "min" / "tr"
    names = sorted(path.name for path in (folder / "mix").iterdir())
    (folder / "s1" / names[0]).write_bytes(b"RIFF not audio")
    soundfile.write(folder / "s2" / names[1], np.zeros(8000), 16000)
    soundfile.write(folder / "mix" / names[2], np.zeros(1), 8000)
    lines = prepare(tree, tmp_path / "data", SMALL, 1)
    assert "tr_min_8k: 1 utterances" in lines[0] and "3 cannot be used" in lines[0]
    rows = (tmp_path / "data" / "tr_min_8k" / "rejected.tsv").read_text().splitlines()[1:]
    reasons = ("not readable", "wrong rate, 16000 Hz", "length mismatch")
    assert all(reason in row for reason, row in zip(reasons, rows)) and len(rows) == 3


def test_unusable_utterances_of_the_raw_corpus_are_listed(raw, tmp_path):
    (raw / "11-1.1/wsj0/si_tr_s/01t/01to030v.wv1").write_bytes(b"no audio")
    lines = prepare(raw, tmp_path / "data", SMALL, 1)
    assert "tr_min_8k: 2 utterances" in lines[0]
    assert "not readable as audio" in (tmp_path / "data" / "tr_min_8k" / "rejected.tsv").read_text()
