"""Files, folders and globs; collisions and inputs in danger."""

import os
from pathlib import Path

import pytest
from permissions import permissions_apply

from espnet_codecse.audio import read_audio
from espnet_codecse.errors import UserError
from espnet_codecse.recording.find import check_outputs, find_recordings

SUFFIXES = (".wav", ".flac")


@pytest.fixture
def tree(tmp_path):
    names = (
        "in/a.wav", "in/sub b/ä ö.FLAC", "in/sub b/deep/c.wav", "in/notes.txt", "in/.hidden.wav", "in/.git/d.wav",
        "in/._a.wav", "in/out/old.wav", "other/a.wav", "x [1].wav",
    )  # fmt: skip
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def found(tree, *arguments, output="out"):
    recordings = find_recordings([str(tree / argument) for argument in arguments], SUFFIXES, tree / output)
    return {str(recording.relative): str(recording.path.relative_to(tree)) for recording in recordings}


def test_folder_keeps_its_structure_and_leaves_out_the_output(tree):
    assert found(tree, "in", output="in/out") == {
        "a.wav": "in/a.wav",
        "sub b/ä ö.FLAC": "in/sub b/ä ö.FLAC",
        "sub b/deep/c.wav": "in/sub b/deep/c.wav",
    }


def test_files_of_any_suffix_go_right_below_the_output(tree):
    assert found(tree, "in/sub b/deep/c.wav", "in/notes.txt", "x [1].wav") == {
        "c.wav": "in/sub b/deep/c.wav",
        "notes.txt": "in/notes.txt",
        "x [1].wav": "x [1].wav",
    }


def test_globs_keep_what_follows_the_fixed_part(tree):
    expected = {"a.wav": "in/a.wav", "sub b/deep/c.wav": "in/sub b/deep/c.wav"}
    assert found(tree, "in/**/*.wav", output="in/out") == expected
    assert found(tree, "*/a.wav") == {"in/a.wav": "in/a.wav", "other/a.wav": "other/a.wav"}


def test_a_recording_named_twice_is_read_once(tree):
    assert len(found(tree, "in/a.wav", "in/a.wav", "in/*.wav")) == 1


def test_links_that_lead_back_up_end(tree):
    os.symlink(tree / "in", tree / "in" / "sub b" / "loop")
    assert len(found(tree, "in", output="in/out")) == 3


def test_each_of_several_links_is_found(tree):
    for name in ("link1.wav", "link2.wav", "sub b/link3.wav"):
        os.symlink(tree / "other" / "a.wav", tree / "in" / name)
    os.symlink(tree / "in" / "sub b" / "deep", tree / "in" / "linked")
    assert set(found(tree, "in", output="in/out")) == {
        "a.wav", "link1.wav", "link2.wav", "linked/c.wav", "sub b/link3.wav", "sub b/ä ö.FLAC", "sub b/deep/c.wav",
    }  # fmt: skip


def test_folder_without_permission_is_named(tree):
    (tree / "in" / "sub b" / "deep").chmod(0)
    with permissions_apply():
        recordings = find_recordings([str(tree / "in")], SUFFIXES, tree / "out")
        with pytest.raises(UserError, match=r"deep/c.wav: not readable \(Permission denied\); change the permissions"):
            find_recordings([str(tree / "in" / "sub b" / "deep" / "c.wav")], SUFFIXES, tree / "out")
    errors = {str(recording.relative): recording.error for recording in recordings if recording.error}
    assert errors == {"sub b/deep": "cannot be searched (Permission denied)"}
    (tree / "in" / "sub b" / "deep").chmod(0o700)


def test_pipe_is_refused_before_anything_waits_for_it(tree):
    os.mkfifo(tree / "in" / "pipe.wav")
    with pytest.raises(UserError, match="pipe.wav: a pipe or device; pass - and redirect it to the standard input"):
        found(tree, "in/pipe.wav")
    with pytest.raises(UserError, match="pipe.wav: a pipe or device, which cannot be read twice; write it to a file"):
        read_audio(tree / "in" / "pipe.wav")


@pytest.mark.parametrize("argument, text", [("none.wav", "no such file"), ("in/*.mp3", "no recordings found")])
def test_nothing_found(tree, argument, text):
    with pytest.raises(UserError, match=text):
        found(tree, argument)


def test_output_folder_that_is_read_from(tree):
    with pytest.raises(UserError, match="is also an input"):
        found(tree, "in", output="in")


def test_two_recordings_with_one_output():
    pairs = [(Path("x/a.wav"), Path("out/a.flac")), (Path("x/a.mp3"), Path("out/a.flac"))]
    with pytest.raises(UserError, match=r"out/a.flac: would be the output of x/a.wav and of x/a.mp3 \(1 such"):
        check_outputs(pairs, [path for path, _ in pairs])
    check_outputs([pairs[0], pairs[0]], [])  # one recording's own


def test_an_input_is_never_an_output(tmp_path):
    recording = tmp_path / "a.wav"
    recording.touch()
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(UserError, match="is an input"):
        check_outputs([(recording, tmp_path / "link" / "a.wav")], [recording])
