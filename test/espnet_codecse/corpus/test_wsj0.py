"""WSJ0: utterances on discs or in one tree, SPHERE files, compressed ones, and broken trees."""

import shutil

import numpy as np
import pytest
from corpus_trees import wsj0
from sphere_files import compress_sphere, install_decoder, write_sphere

from espnet_codecse.audio import read_audio
from espnet_codecse.corpus.sphere import is_compressed, read_speech, speech_info
from espnet_codecse.corpus.wsj0 import find_utterances, require_decoder
from espnet_codecse.errors import UserError

SPLITS = ["si_tr_s", "si_dt_05", "si_et_05"]
FIRST = "si_tr_s/01t/01to030v"


@pytest.fixture
def root(tmp_path):
    return wsj0(tmp_path / "CSR-I (WSJ0) Complete")


@pytest.fixture
def decoder(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(install_decoder(tmp_path / "bin")))


def test_discs_and_one_tree_are_the_same_corpus(root, tmp_path):
    discs = find_utterances(root, SPLITS)
    assert len(discs) == 12 and next(iter(discs)) == "si_dt_05/050/050a0501"
    assert discs[FIRST] == root / "11-1.1/wsj0/si_tr_s/01t/01to030v.wv1"
    for folder in root.glob("11-*/wsj0/*"):
        shutil.copytree(folder, tmp_path / "merged" / "wsj0" / folder.name)
    assert list(find_utterances(tmp_path / "merged", SPLITS)) == list(discs)


def test_converted_file_beside_the_original_is_taken(root):
    write_sphere(root / "11-1.1/wsj0/si_tr_s/01t/01to030v.wav", np.zeros(5))
    assert find_utterances(root, SPLITS)[FIRST].suffix == ".wav"


def test_links_to_discs_are_followed_once(root, tmp_path):
    links = tmp_path / "links"
    links.mkdir()
    for disc in root.iterdir():
        (links / disc.name).symlink_to(disc)
    (links / "11-1.1" / "up").symlink_to(links)  # a circle
    assert len(find_utterances(links, SPLITS)) == 12


def test_missing_split_and_double_utterance_are_one_line(root):
    shutil.copytree(root / "11-6.1", root / "11-6.1 copy")
    with pytest.raises(UserError, match="'si_dt_05/050/050a0501' occurs twice .*; remove one"):
        find_utterances(root, SPLITS)
    shutil.rmtree(root / "11-6.1")
    shutil.rmtree(root / "11-6.1 copy")
    with pytest.raises(UserError, match="WSJ0: .* has no folder si_dt_05"):
        find_utterances(root, SPLITS)


def test_compressed_file_is_decoded_by_the_program(root, decoder):
    path = find_utterances(root, SPLITS)[FIRST]
    expected = read_audio(path)[0][:, 0]
    compress_sphere(path)
    assert is_compressed(path) and speech_info(path) == (len(expected), 16000, 1)
    samples, rate = read_speech(path)
    assert rate == 16000 and np.array_equal(samples, expected)


def test_missing_program_is_named_with_its_installer(root, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    path = find_utterances(root, SPLITS)[FIRST]
    require_decoder([path])
    compress_sphere(path)
    with pytest.raises(UserError, match="01to030v.wv1: .*no sph2pipe in PATH; install .*install_sph2pipe.sh") as error:
        require_decoder([path])
    assert "\n" not in str(error.value)


def test_damaged_files_are_one_line(root, decoder):
    path = find_utterances(root, SPLITS)[FIRST]
    compress_sphere(path)
    path.write_bytes(path.read_bytes()[:1024] + b"cut")
    with pytest.raises(UserError, match=r"sph2pipe cannot decode it \(sph2pipe: not shorten\)"):
        read_speech(path)
    path.write_bytes(b"NIST_1A\n   abcd\n")
    with pytest.raises(UserError, match="damaged SPHERE header"):
        speech_info(path)
    path.write_bytes(b"no audio")
    with pytest.raises(UserError, match="not readable as audio"):
        read_speech(path)
