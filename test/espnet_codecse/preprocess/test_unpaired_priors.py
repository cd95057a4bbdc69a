"""Unpaired recordings."""

import numpy as np
import pytest
import soundfile

from espnet_codecse.errors import UserError
from espnet_codecse.fileio import write_scp
from espnet_codecse.preprocess.unpaired_priors import UnpairedPriors


@pytest.fixture
def lists(tmp_path):
    """Three recordings of clean speech at 16 kHz, two of noise at 8 kHz; each holds one value."""
    result = {}
    for name, rate, lengths in (("clean_prior", 16000, (50, 3000, 9000)), ("noise_prior", 8000, (40, 7000))):
        table = {}
        for number, length in enumerate(lengths, 1):
            file = tmp_path / f"{name}{number}.wav"
            soundfile.write(file, np.full(length, 0.1 * number), rate, subtype="FLOAT")
            table[f"{name}{number}"] = str(file)
        result[name] = tmp_path / f"{name}.scp"
        write_scp(result[name], table)
    return result


def draw(process, seed, count=12):
    np.random.seed(seed)
    return [process(f"utt{number}", {"speech_mix": np.zeros(10)}) for number in range(count)]


def test_draws_apart_and_the_same_for_a_seed(lists):
    process = UnpairedPriors(True, lists, 1000, 16000)
    first, again, other = draw(process, 5), draw(process, 5), draw(process, 6)
    for one, two in zip(first, again):
        assert all(np.array_equal(one[name], two[name]) for name in lists)
        assert all(one[name].shape == (1000,) and one[name].dtype == np.float32 for name in lists)
    chosen = {
        seed: [(round(float(d["clean_prior"][500]), 1), round(float(d["noise_prior"][500]), 1)) for d in drawn]
        for seed, drawn in ((5, first), (6, other))
    }
    assert chosen[5] != chosen[6]
    assert {clean for clean, _ in chosen[5]} == {0.1, 0.2, 0.3}  # short ones are repeated
    assert len(set(chosen[5])) > 3  # every speech with every noise


def test_validation_is_always_the_same(lists):
    process = UnpairedPriors(False, lists, 1000, 16000)
    first, other = draw(process, 5), draw(process, 6)
    assert all(np.array_equal(one[name], two[name]) for one, two in zip(first, other) for name in lists)


def test_silent_segments_are_drawn_again(tmp_path):
    half = np.concatenate([np.zeros(4000), np.full(4000, 0.5)])
    soundfile.write(tmp_path / "a.wav", half, 16000, subtype="FLOAT")
    write_scp(tmp_path / "a.scp", {"a": str(tmp_path / "a.wav")})
    process = UnpairedPriors(True, {"clean_prior": tmp_path / "a.scp"}, 500, 16000)
    silent = [not data["clean_prior"].any() for data in draw(process, 0, 40)]
    assert sum(silent) <= 5  # one in two to the power of five


def test_refuses(lists, tmp_path):
    (tmp_path / "empty.scp").write_text("")
    with pytest.raises(UserError, match="empty.scp: holds no recordings; the clean prior needs some"):
        UnpairedPriors(True, {"clean_prior": tmp_path / "empty.scp"}, 100, 16000)
    with pytest.raises(UserError, match="no such file"):
        UnpairedPriors(True, {"clean_prior": tmp_path / "none.scp"}, 100, 16000)
