"""codecse prepare_mini: the default with nothing given, and options that contradict themselves."""

import pytest

from espnet_codecse.audio import audio_info
from espnet_codecse.bin.prepare_mini import main
from espnet_codecse.corpus.data_dir import read_data_dir, validate_data_dir
from espnet_codecse.errors import UserError


@pytest.mark.slow
def test_default_needs_no_recordings(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["--num_train", "6", "--num_valid", "3", "--nj", "2", "--snr_range", "-2", "3"]) == 0
    output = capsys.readouterr().out
    assert "data/train: 6 mixtures" in output and "data/test: 40 mixtures" in output
    for name, references in (("train", 1), ("valid", 1), ("test", 1), ("clean_train", 0), ("noise_test", 0)):
        validate_data_dir(f"data/{name}", num_references=references)
    tables = read_data_dir("data/train")
    assert all(-2 <= float(value) <= 3 for value in tables["utt2snr"].values())
    lengths = [audio_info(path)[0] for path in tables["wav.scp"].values()]
    assert all(16000 < length < 6 * 16000 for length in lengths)
    noises = set(read_data_dir("data/test")["utt2noise"].values())
    assert noises == {"white", "pink", "brown", "hum", "modulated", "impulses", "babble"}


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--snr_range", "5", "-5"], "--snr_range: 5 is above -5"),
        (["--reverb_probability", "2"], "--reverb_probability: 2 is not between 0 and 1"),
        (["--drift_probability", "2"], "--drift_probability: 2 is not between 0 and 1"),
        (["--test_room_dir", "."], "--test_room_dir: no test mixture is in a room"),
        (["--extra_noise_kinds", "fan", "jet"], "--extra_noise_kinds: jet not in white, pink"),
        (["--clean_dir", "nowhere"], "nowhere: no such folder"),
        (["--noise_dir", "."], "--noise_dir: it needs --clean_dir"),
    ],
)
def test_bad_options(arguments, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=words.replace(".", "\\.")) as error:
        main(arguments)
    assert "\n" not in str(error.value)
