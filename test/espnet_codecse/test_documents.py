"""YAML, JSON and NumPy archives that are damaged or made to do harm."""

import io
import zipfile

import numpy as np
import pytest

from espnet_codecse.documents import load_npz, parse_yaml, read_json, read_yaml
from espnet_codecse.errors import UserError


def refused(read, path, *arguments) -> str:
    with pytest.raises(UserError) as caught:
        read(path, *arguments)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value) and len(str(caught.value)) < 500
    return str(caught.value)


@pytest.mark.parametrize(
    "text, reason",
    [
        ("a: [1,\n", "not valid yaml"),
        ("a: !!python/object/apply:os.mkdir [x]", "could not determine a constructor"),
        ("a: !!bool x", "not valid yaml"),
        ("a: !!int ''", "not valid yaml"),
        ("a: 2001-99-99", "not valid yaml"),
        ("a: " + "[" * 5000, "nested deeper than 40 levels"),
        ("a:\n" + "".join(" " * depth + "- \n" for depth in range(1, 60)), "nested deeper than 40 levels"),
        ("- 1\n", "holds no 'key: value' lines"),
        ("", "holds no 'key: value' lines"),
        ("a: \0", "not a text file"),
    ],
)
def test_yaml(tmp_path, text, reason):
    (tmp_path / "config.yaml").write_text(text)
    message = refused(read_yaml, tmp_path / "config.yaml", "write it again")
    assert reason in message and ("write it again" in message or "text file" in message)


def test_yaml_that_is_right(tmp_path):
    (tmp_path / "config.yaml").write_text("a: {b: [1, 2.5, x, null]}\nc: &c [1]\nd: *c\n")
    assert read_yaml(tmp_path / "config.yaml") == {"a": {"b": [1, 2.5, "x", None]}, "c": [1], "d": [1]}
    with pytest.raises(ValueError, match="aliases are not allowed"):
        parse_yaml("c: &c [1]\nd: *c\n", aliases=False)


def test_large_files(tmp_path):
    (tmp_path / "config.yaml").write_text("a: 1\n" + "#" * 10_000_000)
    assert "is larger than 10 MB" in refused(read_yaml, tmp_path / "config.yaml")


def test_json(tmp_path):
    for text in ("{", "[" * 100_000, ""):
        (tmp_path / "x.json").write_text(text)
        assert "not valid json" in refused(read_json, tmp_path / "x.json")


def _npz(**arrays) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def test_archives(tmp_path):
    file, whole = tmp_path / "stats.npz", {"mean": np.arange(6, dtype=np.float32).reshape(2, 3), "name": "f00d"}
    file.write_bytes(_npz(**whole))
    loaded = load_npz(file, ("mean", "name"), "run stage 4 again")
    assert np.array_equal(loaded["mean"], whole["mean"]) and str(loaded["name"]) == "f00d"
    file.write_bytes(_npz(mean=np.asfortranarray(whole["mean"]), name="f00d"))
    assert np.array_equal(load_npz(file, ("mean",), "")["mean"], whole["mean"])
    for content in (
        b"", b"junk", _npz(**whole)[:-30], _npz(mean=whole["mean"]), _npz(mean=np.array([{}]), name="x"),
        _npz(mean=np.float32(np.nan), name="x"), _npz(**whole).replace(b"\0\0\x40\x40", b"\0\0\x41\x40"),
    ):  # fmt: skip
        file.write_bytes(content)
        message = refused(load_npz, file, ("mean", "name"), "run stage 4 again")
        assert "damaged (" in message and message.endswith("run stage 4 again")


def test_an_archive_that_claims_a_large_array(tmp_path):
    """Its header says 400 GB: nothing of that size is allocated."""
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "<f4", "fortran_order": False, "shape": (100_000_000_000,)})
    with zipfile.ZipFile(tmp_path / "stats.npz", "w") as archive:
        archive.writestr("mean.npy", stream.getvalue() + bytes(8))
    assert "does not hold what its header says" in refused(load_npz, tmp_path / "stats.npz", ("mean",), "")
