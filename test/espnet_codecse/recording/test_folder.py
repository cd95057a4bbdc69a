"""What is done is skipped, and only that."""

import fcntl
import os

import pytest

from espnet_codecse.errors import UserError
from espnet_codecse.identity import file_state
from espnet_codecse.recording.folder import FAILED, MANIFEST, output_folder
from espnet_codecse.recording.job import Job


@pytest.fixture
def files(tmp_path):
    (tmp_path / "in.wav").touch()
    (tmp_path / "out").mkdir()
    return tmp_path / "in.wav", tmp_path / "out", tmp_path / "out" / "in.wav"


def test_done_only_with_the_same_settings_and_input(files):
    recording, out, output = files

    def job() -> Job:
        return Job(recording, (output,), None, None, 1.0, 1, state=file_state(recording))

    def done(settings) -> bool:
        with output_folder(out, settings) as folder:
            return folder.is_done(job())

    def make(settings) -> None:
        with output_folder(out, settings) as folder:
            output.touch()
            folder.add_done([job()])

    assert not done({"mix": 1})
    make({"mix": 1})
    assert done({"mix": 1}) and not done({"mix": 0.5})
    # A date in the future or, as of a copy that keeps its date, in the past; another content of the same size and date.
    before = recording.stat().st_mtime_ns
    for date in (2**62, 0):
        os.utime(recording, ns=(date, date))
        assert not done({"mix": 1})
    os.utime(recording, ns=(before, before))
    assert done({"mix": 1})
    recording.write_bytes(b"other")
    os.utime(recording, ns=(before, before))
    assert not done({"mix": 1})
    make({"mix": 1})
    assert done({"mix": 1})
    output.unlink()
    assert not done({"mix": 1})


def test_folder_that_cannot_be_used(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(UserError, match="--output_dir .*file/out: cannot be used"),
        output_folder(tmp_path / "file" / "out", {}),
    ):
        pass


def test_runs_side_by_side_only_with_the_same_settings(files):
    _, out, output = files
    left = output.with_name(".in.abcd1234.wav")
    with output_folder(out, {"mix": 1}) as first:
        left.touch()
        with output_folder(out, {"mix": 1}) as second:
            second.remove_temporary([output])
            assert left.exists()  # it may be the other run's
        with (
            pytest.raises(UserError, match="a run with other settings is writing into it"),
            output_folder(out, {"mix": 0}),
        ):
            pass
        assert first.folder == out
    with output_folder(out, {"mix": 0}) as alone:
        hidden = output.with_name(".own.abcd1234.wav")
        hidden.touch()
        alone.remove_temporary([output])
        assert not left.exists() and hidden.exists()  # not of this output
    with open(out / MANIFEST) as stream:
        assert '"mix": 0' in stream.read()
    handle = os.open(out, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the lock is gone
    os.close(handle)


def test_list_of_failures(files):
    recording, out, _ = files
    odd = recording.with_name("tab\tand\udcff.wav")
    with output_folder(out, {}) as folder:
        folder.write_failures([(recording, "holds no samples"), (odd, "broken")])
        lines = (out / FAILED).read_bytes().split(b"\n")
        assert lines[0] == b"path\treason" and lines[1] == f"{recording}\tholds no samples".encode()
        assert lines[2].endswith(b"tab and\xff.wav\tbroken") and lines[3:] == [b""]
        folder.write_failures([])
        assert not (out / FAILED).exists()
