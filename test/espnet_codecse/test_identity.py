"""Outputs are done if they were made of the same, whatever the dates say."""

import os
import shutil

import pytest

from espnet_codecse.identity import Ledger, file_state, hash_of


def test_state_changes_with_content_and_date(tmp_path):
    path, other = tmp_path / "a", tmp_path / "b"
    path.write_bytes(b"x" * 50000)
    os.utime(path, ns=(10**18, 10**18))
    state = file_state(path)
    assert file_state(path) == state
    # Another content of the same size and date, an older date, and a copy that keeps the date.
    for spoil in (b"y" + b"x" * 49999, b"x" * 25000 + b"y" + b"x" * 24999, b"x" * 49999 + b"y", b"x" * 49999):
        other.write_bytes(spoil)
        os.utime(other, ns=(10**18, 10**18))
        assert file_state(other) != state
    shutil.copy2(path, other)
    assert file_state(other) == state
    os.utime(path, ns=(10**17, 10**17))
    assert file_state(path) != state


def test_ledger_remembers_across_processes(tmp_path):
    output = tmp_path / "out.wav"
    made_of = hash_of(["settings", 1])
    first = Ledger(tmp_path, "1")
    assert not first.is_done("out", made_of, [output])
    first.add({"out": made_of, "with\nnew line and \udcff": "x"})
    assert not first.is_done("out", made_of, [output])  # the file is missing
    output.touch()
    for ledger in (first, Ledger(tmp_path, "1"), Ledger(tmp_path, "2")):
        assert ledger.is_done("out", made_of, [output]) and not ledger.is_done("out", hash_of(["other"]), [output])
        assert ledger.is_done("with\nnew line and \udcff", "x", [])


def test_the_latest_writer_is_right(tmp_path):
    Ledger(tmp_path, "2").add({"out": "old"})
    os.utime(tmp_path / ".made_of.2.jsonl", ns=(10**18, 10**18))
    Ledger(tmp_path, "1").add({"out": "new"})
    assert Ledger(tmp_path, "3").is_done("out", "new", []) and not Ledger(tmp_path, "3").is_done("out", "old", [])


@pytest.mark.parametrize("tail", [b'["b", "x', b"\0\0\0", b"[1, 2]\n", b'{"a": 3}\n', b"\xff\n"])
def test_what_a_killed_process_left_is_dropped(tmp_path, tail):
    Ledger(tmp_path).add({"a": "x"})
    path = tmp_path / ".made_of.1.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + tail)
    ledger = Ledger(tmp_path)
    assert ledger.is_done("a", "x", []) and not ledger.is_done("b", "x", []) and path.read_bytes() == whole
    ledger.add({"b": "x"})
    assert Ledger(tmp_path).is_done("b", "x", [])
