"""Lists and text from outside: encodings, ids, and names of files."""

import urllib.parse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from espnet_codecse.errors import UserError
from espnet_codecse.fileio import (
    atomic_path,
    file_stem,
    read_counts,
    read_scp,
    read_text,
    remove_temporary_below,
    temporary_prefix,
)


def refused(read, path) -> str:
    with pytest.raises(UserError) as caught:
        read(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    return str(caught.value)


def test_a_byte_order_mark_is_left_out(tmp_path):
    (tmp_path / "wav.scp").write_text("ü /x.wav\n", encoding="utf-8-sig")
    assert read_scp(tmp_path / "wav.scp") == {"ü": "/x.wav"}


@pytest.mark.parametrize(
    "encoding, remedy", [("utf-16", "iconv -f UTF-16 -t UTF-8"), ("latin-1", "iconv -f LATIN1 -t UTF-8")]
)
def test_other_encodings_are_named_with_the_remedy(tmp_path, encoding, remedy):
    (tmp_path / "wav.scp").write_text("ü /x.wav\n", encoding=encoding)
    assert f"not UTF-8 text; convert it: {remedy}" in refused(read_scp, tmp_path / "wav.scp")


def test_what_is_no_text(tmp_path):
    for content in (b"RIFF\x24\0\0\0WAVEfmt \xff\xfe", b"a /x\0.wav\n"):
        (tmp_path / "speech.wav").write_bytes(content)
        assert "not a text file" in refused(read_scp, tmp_path / "speech.wav")
    assert "cannot be read (Is a directory)" in refused(read_text, tmp_path)
    assert "no such file" in refused(read_text, tmp_path / "none")
    assert "cannot be read (File name too long)" in refused(read_text, tmp_path / ("x" * 300))
    assert "embedded null byte" in refused(read_text, f"{tmp_path}/a\0b")


@pytest.mark.parametrize("key", ["/x", "a//b", "a/", "./a", "a/../b", ".a", "a/.b"])
def test_ids_that_are_paths_or_hidden(tmp_path, key):
    (tmp_path / "wav.scp").write_text(f"{key} /y.wav\n")
    message = refused(read_scp, tmp_path / "wav.scp")
    assert f"wav.scp:1: the id '{key}' " in message and "give the utterance another id" in message


def test_long_ids(tmp_path):
    (tmp_path / "wav.scp").write_text(f"{'ü' * 101} /y.wav\n", encoding="utf-8")
    assert "is longer than 200 bytes; shorten it" in refused(read_scp, tmp_path / "wav.scp")


@pytest.mark.parametrize("value", ["x", "-1", "1.5", "9" * 30, "٣"])
def test_counts_that_are_no_numbers(tmp_path, value):
    (tmp_path / "utt2num_frames").write_text(f"a {value}\n", encoding="utf-8")
    assert f"'a' is '{value}', not a number" in refused(read_counts, tmp_path / "utt2num_frames")


def test_what_killed_processes_left_is_removed(tmp_path):
    folder = tmp_path / "audio" / "sub"
    folder.mkdir(parents=True)
    with pytest.raises(RuntimeError), atomic_path(folder / "a.flac") as temporary:
        name = temporary.name
        raise RuntimeError
    kept = [folder / "a.flac", folder / ".notes.json", folder / ".done", folder / ".a.flac"]
    for path in (*kept, folder / name, folder / (temporary_prefix("b.json") + "ab12_xyz.json")):
        path.touch()
    remove_temporary_below(tmp_path)
    assert sorted(folder.iterdir()) == sorted(kept)


@given(st.text(alphabet="ab/%25F_", min_size=1))
def test_each_id_has_a_file_name_of_its_own(utterance):
    """The id can be restored from the name, so no two share one."""
    assert "/" not in file_stem(utterance)
    assert urllib.parse.unquote(file_stem(utterance)) == utterance
