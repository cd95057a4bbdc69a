"""Finding recordings: given splits are kept, others are disjoint, odd folders and names work."""

import numpy as np
import pytest
import soundfile

from espnet_codecse.corpus.mixtures import may_mix
from espnet_codecse.corpus.sources import SPLITS, find_sources, has_given_split
from espnet_codecse.errors import UserError

RATE = 16000


def put(path, seconds=0.1, rate=RATE):
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = 0.1 * np.random.default_rng(0).standard_normal(int(seconds * rate))
    soundfile.write(path, samples, rate)


def test_given_split_is_kept(tmp_path):
    for number, split in enumerate(SPLITS):
        put(tmp_path / split / "speech" / f"ls_{number}" / "1-2-3.flac")
        put(tmp_path / split / "noise" / f"esc10_dog_bark_{number}-100032-A.flac")
    assert has_given_split(tmp_path)
    sources = find_sources(tmp_path, None)
    assert {split: [item.name for item in sources.speech[split]] for split in SPLITS} == {
        split: [f"ls_{number}_1-2-3"] for number, split in enumerate(SPLITS)
    }
    assert {item.group for split in SPLITS for item in sources.noise[split]} == {"esc10_dog_bark"}
    assert sources.skipped == []


def test_speakers_and_noises_are_divided_without_overlap(tmp_path):
    for speaker in range(20):
        for number in range(2):
            put(tmp_path / "clean" / "corpus v1" / f"spk {speaker}" / "chapter" / f"u{number}.wav")
    for number in range(10):
        put(tmp_path / "noise" / f"n{number}.ogg")
    put(tmp_path / "noise" / "n10.mp3", 0.5)
    sources = find_sources(tmp_path / "clean", tmp_path / "noise")
    groups = [{item.group for item in sources.speech[split]} for split in SPLITS]
    assert [len(group) for group in groups] == [16, 2, 2]
    assert len(set.union(*groups)) == 20
    paths = [{item.path for item in sources.noise[split]} for split in SPLITS]
    assert [len(path) for path in paths] == [9, 1, 1] and len(set.union(*paths)) == 11
    for split in SPLITS:
        for item in sources.speech[split]:
            assert item.name.startswith(item.group + "_") and " " not in item.name
    assert find_sources(tmp_path / "clean", tmp_path / "noise") == sources


def test_flat_folder_takes_the_speaker_from_the_name(tmp_path):
    for speaker in ("p226", "p287", "p300"):
        for number in range(3):
            put(tmp_path / "clean" / f"{speaker}_{number:03d}.wav")
    for number in range(3):
        put(tmp_path / "noise" / f"{number}.wav")
    sources = find_sources(tmp_path / "clean", tmp_path / "noise")
    assert sorted(sources.speech[split][0].group for split in SPLITS) == ["p226", "p287", "p300"]
    names = [item.name for split in SPLITS for item in sources.speech[split]]
    assert len(set(names)) == 9 and "p226_000" in names


def test_unusable_files_are_left_out_with_the_reason(tmp_path):
    for number in range(3):
        put(tmp_path / "clean" / f"s{number}" / "a.wav")
        put(tmp_path / "noise" / f"{number}.wav")
    (tmp_path / "clean" / "s0" / "bad.wav").write_text("no audio")
    put(tmp_path / "clean" / "s1" / "empty.wav", 0)
    soundfile.write(tmp_path / "noise" / "nan.wav", np.full(RATE, np.nan), RATE, "FLOAT")
    sources = find_sources(tmp_path / "clean", tmp_path / "noise")
    assert len(sources.skipped) == 3
    assert "not readable" in sources.skipped[0][1] and "empty" in sources.skipped[1][1]
    assert sources.skipped[2] == (str(tmp_path / "noise" / "nan.wav"), "NaN or infinite samples")


def test_what_cannot_be_used_is_said_in_one_line(tmp_path):
    put(tmp_path / "clean" / "s0" / "a.wav")
    put(tmp_path / "clean" / "s1" / "a.wav")
    (tmp_path / "nothing").mkdir()
    with pytest.raises(UserError, match="no such folder"):
        find_sources(tmp_path / "nowhere", None)
    with pytest.raises(UserError, match="no recording in it"):
        find_sources(tmp_path / "nothing", None)
    with pytest.raises(UserError, match="2 speakers .folders., at least 3"):
        find_sources(tmp_path / "clean", tmp_path / "clean")
    put(tmp_path / "clean" / "s2" / "a.wav")
    with pytest.raises(UserError, match="give --noise_dir"):
        find_sources(tmp_path / "clean", None)


@pytest.mark.parametrize(
    "num_speakers, num_folders, sizes", [(1, 14, [12, 1, 1]), (2, 14, [10, 2, 2]), (3, 9, [3, 3, 3])]
)
def test_every_split_has_the_speakers_of_a_mixture(tmp_path, num_speakers, num_folders, sizes):
    for number in range(num_folders):
        put(tmp_path / f"s{number}" / "a.wav")
    sources = find_sources(tmp_path, None, num_speakers, with_noise=False)
    assert [len({item.group for item in sources.speech[split]}) for split in SPLITS] == sizes
    assert sources.noise == {"train": [], "valid": [], "test": []}


def test_too_few_speakers_give_the_number_that_is_needed(tmp_path):
    for number in range(5):
        put(tmp_path / f"s{number}" / "a.wav")
    text = "5 speakers .folders., at least 6 are needed for disjoint train, valid and test with 2 in each"
    with pytest.raises(UserError, match=text):
        find_sources(tmp_path, None, 2, with_noise=False)


def test_a_given_split_needs_no_noise_where_none_is_mixed(tmp_path):
    for split in SPLITS:
        put(tmp_path / "corpus" / split / "speech" / f"{split}0" / "a.wav")
    for number in range(3):
        put(tmp_path / "noise" / f"{number}.wav")
    for noise_dir, with_noise, count in ((None, False, 0), (tmp_path / "noise", True, 1)):
        sources = find_sources(tmp_path / "corpus", noise_dir, 1, with_noise)
        assert [sources.speech[split][0].group for split in SPLITS] == ["train0", "valid0", "test0"]
        assert [len(sources.noise[split]) for split in SPLITS] == [count] * 3


def test_unidentified_speakers_are_not_mixed_with_their_corpus():
    assert may_mix("ls_19", "ls_26") and may_mix("ls_19", "pv_unknown")
    assert not may_mix("ls_19", "ls_19")
    assert not may_mix("pv_unknown", "pv_unknown")
    assert not may_mix("pv_unknown", "pv_12")
