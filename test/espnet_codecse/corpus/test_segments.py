"""Kaldi's segments: stretches of recordings become utterances, and what is wrong with them is named."""

import numpy as np
import pytest
import soundfile

from espnet_codecse.benchmark.plan import read_set_size
from espnet_codecse.corpus.check import FormatSettings, format_data_dir
from espnet_codecse.corpus.data_dir import fix_data_dir, read_data_dir, validate_data_dir
from espnet_codecse.corpus.segments import Segment, read_segments
from espnet_codecse.errors import UserError

RATE = 16000
SEGMENTS = {"a_1": "rec1 0.0 1.0", "a_2": "rec1 1.0 2.25", "a_3": "rec2 0.5 -1", "a_4": "rec2 1.0 2.4"}


@pytest.fixture
def folder(tmp_path, voice):
    """Two recordings of 3 and 2 s with references, and four segments."""
    folder = tmp_path / "data"
    folder.mkdir()
    for table, seed in (("wav", 0), ("spk1", 10)):
        lines = []
        for number, seconds in ((1, 3), (2, 2)):
            path = tmp_path / f"{table} {number}.wav"
            soundfile.write(path, voice(seconds * RATE, seed + number), RATE, "FLOAT")
            lines.append(f"rec{number} {path}\n")
        (folder / f"{table}.scp").write_text("".join(lines))
    write(folder, SEGMENTS)
    return folder


def write(folder, segments):
    (folder / "segments").write_text("".join(f"{key} {value}\n" for key, value in segments.items()))
    (folder / "utt2spk").write_text("".join(f"{key} a\n" for key in segments))
    (folder / "spk2utt").write_text("a " + " ".join(segments) + "\n")


def test_recordings_and_references_are_cut_to_the_sample(folder, tmp_path):
    assert validate_data_dir(folder, num_references=1) == 4
    summary = format_data_dir(folder, tmp_path / "dump", FormatSettings(num_references=1), expected_count=4)
    assert "4 of 4 utterances" in summary and "8 files rewritten" in summary
    assert validate_data_dir(tmp_path / "dump", num_references=1) == 4
    tables = read_data_dir(tmp_path / "dump")
    stretches = {"a_1": (1, 0, 16000), "a_2": (1, 16000, 36000), "a_3": (2, 8000, 32000), "a_4": (2, 16000, 32000)}
    for name in ("wav", "spk1"):
        for key, (number, start, end) in stretches.items():
            whole, _ = soundfile.read(tmp_path / f"{name} {number}.wav")
            cut, rate = soundfile.read(tables[f"{name}.scp"][key])
            assert rate == RATE and cut.shape == (end - start,)
            assert np.abs(cut - whole[start:end]).max() <= 2**-15
            assert tables["utt2num_samples"][key] == str(end - start)
    assert "skipped" in format_data_dir(folder, tmp_path / "dump", FormatSettings(num_references=1))
    write(folder, {**SEGMENTS, "a_1": "rec1 0.0 0.9"})
    assert "skipped" not in format_data_dir(folder, tmp_path / "dump", FormatSettings(num_references=1))
    assert read_data_dir(tmp_path / "dump")["utt2num_samples"]["a_1"] == "14400"


def test_segments_outside_their_recording_are_rejected(folder, tmp_path):
    write(folder, {**SEGMENTS, "a_4": "rec2 1.0 2.6", "a_5": "rec2 2.0 2.1", "a_6": "rec3 0 1"})
    assert "3 of 6 utterances" in format_data_dir(folder, tmp_path / "dump")
    rows = (tmp_path / "dump" / "rejected.tsv").read_text().splitlines()[1:]
    assert [row.split("\t")[::2] for row in rows] == [
        ["a_4", "mixture: the segment ends at 2.6 s, the recording has 2.00 s"],
        ["a_5", "mixture: the segment begins at 2 s, the recording has 2.00 s"],
        ["a_6", "missing mixture"],
    ]


@pytest.mark.parametrize(
    "line", ["rec1 0", "rec1 0 1 2", "rec1 zero 1", "rec1 -1 1", "rec1 1 1", "rec1 2 1", "rec1 nan 1"]
)
def test_malformed_lines_are_named(folder, line, tmp_path):
    write(folder, {**SEGMENTS, "a_2": line})
    for read in (read_segments, validate_data_dir, lambda path: format_data_dir(path, tmp_path / "dump")):
        with pytest.raises(UserError, match=f"{folder}/segments: 'a_2': ") as error:
            read(folder)
        assert "\n" not in str(error.value)


def test_directories_that_do_not_match(folder):
    def refused(match):
        with pytest.raises(UserError, match=match):
            validate_data_dir(folder)

    write(folder, {**SEGMENTS, "a_5": "rec3 0 1"})
    refused("wav.scp: no line for the recording 'rec3'")
    write(folder, {"a_1": SEGMENTS["a_1"]})
    refused("segments: no line for the recording 'rec2'")
    write(folder, dict(reversed(SEGMENTS.items())))
    refused("segments: not sorted")
    write(folder, SEGMENTS)
    (folder / "utt2spk").write_text("a_1 a\n")
    refused("utt2spk: no line for 'a_")
    (folder / "segments").write_text("")
    refused("segments: it is empty")


def test_fix_keeps_what_all_files_have(folder):
    write(folder, {**dict(reversed(SEGMENTS.items())), "a_5": "rec3 0 1"})
    (folder / "spk1.scp").write_text((folder / "spk1.scp").read_text().splitlines(True)[0])
    (folder / "utt2snr").write_text("a_1 5\na_3 5\n")
    assert fix_data_dir(folder) == {"segments": 4, "utt2spk": 4, "utt2snr": 1, "wav.scp": 1}
    assert validate_data_dir(folder, num_references=1) == 1
    assert read_segments(folder) == {"a_1": Segment("rec1", 0.0, 1.0)}


def test_the_plan_counts_segments(folder):
    write(folder, {key: value for key, value in SEGMENTS.items() if "-1" not in value})
    size = read_set_size(folder, RATE)
    assert (size.num_utterances, size.seconds) == (3, pytest.approx(1.0 + 1.25 + 1.4))
