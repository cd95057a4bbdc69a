"""Data directories: what is written is valid, what is damaged is named, what can be repaired is repaired."""

import pytest

from espnet_codecse.corpus.data_dir import fix_data_dir, read_data_dir, validate_data_dir, write_data_dir
from espnet_codecse.errors import UserError


def test_written_directory_is_sorted_and_valid(tmp_path):
    ids = ["b_2", "a_1", "B_3"]
    write_data_dir(
        tmp_path / "d", {"wav.scp": {i: f"/x y/{i}.wav" for i in ids}, "utt2spk": {i: i.split("_")[0] for i in ids}}
    )
    assert (tmp_path / "d/wav.scp").read_text() == "B_3 /x y/B_3.wav\na_1 /x y/a_1.wav\nb_2 /x y/b_2.wav\n"
    assert (tmp_path / "d/spk2utt").read_text() == "B B_3\na a_1\nb b_2\n"
    assert validate_data_dir(tmp_path / "d", check_files=False) == 3
    assert read_data_dir(tmp_path / "d")["wav.scp"]["a_1"] == "/x y/a_1.wav"


def damage(path, name, function):
    file = path / name
    file.write_text(function(file.read_text()))


@pytest.mark.parametrize(
    "name, function, words",
    [
        ("wav.scp", lambda t: "".join(reversed(t.splitlines(True))), ["wav.scp", "not sorted", "fix_data_dir"]),
        ("wav.scp", lambda t: t + t.splitlines(True)[0], ["wav.scp:4", "spk0_utt0", "twice"]),
        ("spk1.scp", lambda t: "".join(t.splitlines(True)[1:]), ["spk1.scp", "spk0_utt0"]),
        ("wav.scp", lambda t: "".join(t.splitlines(True)[1:]), ["wav.scp", "spk0_utt0"]),
        ("utt2spk", lambda t: t.replace(" spk0", " other"), ["utt2spk", "does not begin with its speaker 'other'"]),
        ("spk2utt", lambda t: "spk0 spk0_utt0\n", ["spk2utt", "consistent"]),
        ("wav.scp", lambda t: t.replace("spk1_utt1.wav", "gone.wav"), ["no such audio file", "gone.wav"]),
        ("wav.scp", lambda t: "", ["wav.scp", "empty"]),
        ("utt2spk", lambda t: t.replace("spk0_utt0 spk0", "spk0_utt0"), ["utt2spk:1", "no value"]),
    ],
)
def test_damage_is_named_in_one_line(make_data_dir, name, function, words):
    path = make_data_dir()
    damage(path, name, function)
    with pytest.raises(UserError) as error:
        validate_data_dir(path, num_references=1)
    assert "\n" not in str(error.value)
    for word in words:
        assert word in str(error.value)


def test_pipe_is_refused(make_data_dir):
    path = make_data_dir()
    damage(path, "wav.scp", lambda text: text.replace(text.split()[1], "sph2pipe -f wav x.wv1 |"))
    with pytest.raises(UserError, match="spk0_utt0.*is a pipe"):
        validate_data_dir(path)


def test_missing_parts(make_data_dir, tmp_path):
    path = make_data_dir()
    with pytest.raises(UserError, match="no spk2.scp"):
        validate_data_dir(path, num_references=2)
    (path / "utt2spk").unlink()
    with pytest.raises(UserError, match="no utt2spk"):
        validate_data_dir(path)
    with pytest.raises(UserError, match="no such data directory"):
        validate_data_dir(tmp_path / "nowhere")


def test_fix_sorts_intersects_and_reports(make_data_dir):
    path = make_data_dir()
    damage(path, "wav.scp", lambda text: "".join(reversed(text.splitlines(True))) + text.splitlines(True)[0])
    damage(path, "spk1.scp", lambda text: "".join(text.splitlines(True)[1:]))
    (path / "spk2utt").unlink()
    assert fix_data_dir(path) == {"wav.scp": 2, "utt2spk": 1}
    assert validate_data_dir(path, num_references=1) == 2
    assert list(read_data_dir(path)["wav.scp"]) == ["spk0_utt2", "spk1_utt1"]


def test_fix_refuses_what_it_cannot_decide(make_data_dir):
    path = make_data_dir()
    damage(path, "wav.scp", lambda text: text + "spk0_utt0 another.wav\n")
    with pytest.raises(UserError, match="spk0_utt0.*two different values"):
        fix_data_dir(path)
    (path / "wav.scp").write_text("x y.wav\n")
    with pytest.raises(UserError, match="no id is common"):
        fix_data_dir(path)
