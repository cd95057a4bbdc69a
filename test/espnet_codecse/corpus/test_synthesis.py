"""The synthetic corpus: the same bytes in every process, voices disjoint between the splits, all noises alive."""

import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest

from espnet_codecse.audio import audio_info, read_audio
from espnet_codecse.corpus.mixing import rms
from espnet_codecse.corpus.noise import machines, noise_kinds, simple_noises
from espnet_codecse.corpus.synthesis import ACCENTS, VARIANTS, sentence, speakers, synthesise, write_corpus
from espnet_codecse.errors import UserError

RATE = 16000


def test_breathy_voices_have_the_same_bytes_in_two_processes():
    requests = [
        {"voice": f"en+{variant}", "text": "Seven boxes.", "rate": 160, "pitch": 50, "range": 50}
        for variant in ("f2", "victor", "Alicia", "klatt3")
    ]
    command = [sys.executable, "-m", "espnet_codecse.corpus.espeak"]
    outputs = [
        subprocess.run(command, input=json.dumps(requests).encode(), capture_output=True, check=True).stdout
        for _ in range(2)
    ]
    assert outputs[0] == outputs[1] and len(outputs[0]) > 4 * 22050


def test_every_voice_of_the_splits_exists_and_differs():
    variants = [variant for split in VARIANTS.values() for variant in split.split()]
    assert len(variants) == len(set(variants))
    names = [f"{ACCENTS[index % len(ACCENTS)]}+{variant}" for index, variant in enumerate(variants)]
    requests = [{"voice": name, "text": "Good morning.", "rate": 160, "pitch": 50, "range": 50} for name in names]
    spoken = synthesise(requests, RATE)
    assert all(0.3 * RATE < len(samples) < 3 * RATE and rms(samples) > 0.005 for samples in spoken)
    assert len({hashlib.md5(samples.tobytes()).hexdigest() for samples in spoken}) == len(names)


def test_unknown_voice_is_one_line():
    with pytest.raises(UserError, match="no voice 'xx-nowhere'") as error:
        synthesise([{"voice": "xx-nowhere", "text": "x", "rate": 160, "pitch": 50, "range": 50}], RATE)
    assert "\n" not in str(error.value)


def test_speakers_are_disjoint_and_reproducible():
    assert speakers("train", 5, 1) == speakers("train", 5, 1) != speakers("train", 5, 2)
    names = [name for split in VARIANTS for name, _ in speakers(split, 6, 0)]
    assert len(set(names)) == 18
    rng = np.random.default_rng(0)
    assert len({sentence(rng) for _ in range(50)}) > 45


@pytest.mark.parametrize("kind", sorted(simple_noises() | machines()))
def test_noises(kind):
    function = (simple_noises() | machines())[kind]
    noise = function(np.random.default_rng(0), 2 * RATE, RATE)
    assert noise.shape == (2 * RATE,) and noise.dtype == np.float32
    assert 0.005 < rms(noise) <= 0.11 and np.abs(noise).max() <= 0.901
    np.testing.assert_array_equal(noise, function(np.random.default_rng(0), 2 * RATE, RATE))
    assert not np.array_equal(noise, function(np.random.default_rng(1), 2 * RATE, RATE))


def test_colours_have_their_slopes():
    def ratio(kind):
        spectrum = np.abs(np.fft.rfft(simple_noises()[kind](np.random.default_rng(0), 8 * RATE, RATE))) ** 2
        low, high = spectrum[8 * 100 : 8 * 200].mean(), spectrum[8 * 1000 : 8 * 2000].mean()
        return 10 * np.log10(low / high)

    assert ratio("white") == pytest.approx(0, abs=1)
    assert ratio("pink") == pytest.approx(10, abs=1)
    assert ratio("brown") == pytest.approx(20, abs=1)


@pytest.mark.slow
def test_corpus_is_the_same_for_any_number_of_processes(tmp_path):
    sizes = {"train": (2, 2, 7), "valid": (1, 1, 1), "test": (2, 1, 2)}
    for number in (1, 2):
        write_corpus(tmp_path / str(number), RATE, 5, number, sizes)
    files = sorted(path.relative_to(tmp_path / "1") for path in (tmp_path / "1").rglob("*.flac"))
    assert len(files) == 4 + 1 + 2 + 7 + 1 + 2
    for file in files:
        assert (tmp_path / "1" / file).read_bytes() == (tmp_path / "2" / file).read_bytes()
    assert {file.name.rsplit("_", 1)[0] for file in files if file.parts[:2] == ("train", "noise")} == set(noise_kinds())
    babble = next(file for file in files if file.name.startswith("babble"))
    assert audio_info(tmp_path / "1" / babble)[:2] == (8 * RATE, RATE)
    assert rms(read_audio(tmp_path / "1" / babble)[0][:, 0]) > 0.01
