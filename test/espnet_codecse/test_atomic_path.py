"""Files appear whole or not at all, and what prevents it is said in one line."""

import errno
import os

import pytest
from permissions import permissions_apply

from espnet_codecse.errors import UserError
from espnet_codecse.fileio import atomic_path, temporary_prefix


def write(path):
    with atomic_path(path) as temporary:
        temporary.write_text("new")


@pytest.mark.parametrize("name", ["a.wav", "a" * 251 + ".wav", "é" * 125 + ".flac", "a", "a" * 255, ".hidden.json"])
def test_any_name_that_the_file_system_takes(tmp_path, name):
    write(tmp_path / "below" / name)
    assert [path.name for path in (tmp_path / "below").iterdir()] == [name]
    assert (tmp_path / "below" / name).read_text() == "new"


def test_name_that_is_no_utf8(tmp_path):
    write(os.fsdecode(os.path.join(os.fsencode(tmp_path), b"caf\xe9.wav")))
    assert os.listdir(os.fsencode(tmp_path)) == [b"caf\xe9.wav"]


def test_long_names_have_different_temporary_names():
    first, second = (temporary_prefix("x/" + "a" * 249 + end + ".wav") for end in "bc")
    assert first != second and len(first) < 30
    assert temporary_prefix("x/a.b.wav") == ".a.b."


def test_reasons_and_remedies(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "folder" / "a.txt").mkdir(parents=True)
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    for path, reason in (
        (tmp_path / "file" / "a.txt", "a file is where a folder should be"),
        (tmp_path / "file" / "below" / "a.txt", "a file is where a folder should be"),
        (tmp_path / "folder" / "a.txt", "a folder is where the file should be, choose another name"),
        (tmp_path / ("a" * 253 + ".txt"), "shorten its name"),
        (locked / "a.txt", "choose a folder that you may write to"),
        (locked / "below" / "a.txt", "choose a folder that you may write to"),
    ):
        with permissions_apply(), pytest.raises(UserError) as caught:
            write(path)
        message = str(caught.value)
        assert message.startswith(f"{path}: cannot be written (") and reason in message and "\n" not in message
    assert not list(locked.iterdir()) and [path.name for path in (tmp_path / "folder").iterdir()] == ["a.txt"]


def test_full_disk_leaves_the_old_file(tmp_path):
    (tmp_path / "a").write_text("old")
    with pytest.raises(UserError, match="No space left on device.; free some space"), atomic_path(tmp_path / "a"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert (tmp_path / "a").read_text() == "old" and len(list(tmp_path.iterdir())) == 1
