"""Reading back: round trip, another codec, damaged arks."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from espnet_codecse.embedding import EmbeddingDescription, EmbeddingReader, check_codec
from espnet_codecse.embedding.ark import check_arks, read_ark, write_ark
from espnet_codecse.embedding.description import write_description
from espnet_codecse.errors import UserError
from espnet_codecse.fileio import read_scp, write_scp
from espnet_codecse.task.training import data_entry

DESCRIPTION = EmbeddingDescription("tiny", "0123abcd", 16000, 320, 4, "continuous", "none", "0")


def write_store(folder, arrays, compression=None):
    ark = folder / "parts" / "emb_mix.1.ark"
    offsets = write_ark(ark, arrays.items(), compression)
    write_scp(folder / "emb_mix.scp", {key: f"{ark}:{offset}" for key, offset in offsets.items()})
    write_scp(folder / "utt2num_frames", {key: len(array) for key, array in arrays.items()})
    write_description(folder, DESCRIPTION)
    return ark


@settings(max_examples=30, deadline=None)
@given(
    frames=st.integers(1, 20),
    channels=st.integers(1, 5),
    scale=st.floats(1e-3, 1e3),
    seed=st.integers(0, 99),
    compression=st.sampled_from([None, 3]),
)
def test_round_trip(tmp_path_factory, frames, channels, scale, seed, compression):
    array = (scale * np.random.default_rng(seed).normal(size=(frames, channels))).astype(np.float32)
    ark = tmp_path_factory.mktemp("ark") / "a b.ark"
    offsets = write_ark(ark, [("x", array), ("ü", -array)], compression)
    step = (array.max() - array.min()) / 65535 if compression else 0.0
    assert np.abs(read_ark(f"{ark}:{offsets['x']}") - array).max() <= 0.51 * step + 1e-6 * scale
    assert np.abs(read_ark(f"{ark}:{offsets['ü']}") + array).max() <= 0.51 * step + 1e-6 * scale


def test_another_codec_is_refused_with_both_fingerprints(tmp_path):
    write_store(tmp_path, {"x": np.zeros((3, 4), np.float32)})
    assert check_codec(tmp_path, "0123abcd") == DESCRIPTION
    with pytest.raises(UserError, match="codec 'tiny' with fingerprint 0123abcd, but .* has ffff; extract them again"):
        EmbeddingReader(tmp_path, codec="ffff")


def test_every_cut_of_an_ark_is_told(tmp_path):
    array = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    for compression in (None, 3):
        ark = write_store(tmp_path, {"x": array}, compression)
        whole = ark.read_bytes()
        assert EmbeddingReader(tmp_path)["x"].shape == (6, 4)
        for size in range(len(whole)):
            ark.write_bytes(whole[:size])
            with pytest.raises(UserError, match=r"emb_mix.1.ark.*(cut short or damaged|shape).*again"):
                EmbeddingReader(tmp_path)["x"]
    ark.unlink()
    with pytest.raises(UserError, match="no such ark; extract the embeddings again, only what is missing is made$"):
        EmbeddingReader(tmp_path)["x"]


def test_a_relative_list_read_from_another_folder_says_so(tmp_path, monkeypatch):
    (tmp_path / "there").mkdir()
    monkeypatch.chdir(tmp_path)
    write_store(Path("there"), {"x": np.zeros((6, 4), np.float32)}, None)
    monkeypatch.chdir(tmp_path / "there")
    with pytest.raises(UserError, match="work in the folder in which they were extracted: the path is relative"):
        EmbeddingReader(Path("."))["x"]
    with pytest.raises(UserError, match="work in the folder in which they were extracted: the path is relative"):
        check_arks(Path("emb_mix.scp"))


def test_a_pickle_in_an_ark_is_not_run(tmp_path):
    class Harm:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "harm"),)

    (tmp_path / "x.ark").write_bytes(b"PKL" + pickle.dumps(Harm()))
    with pytest.raises(UserError, match="damaged"):
        read_ark(f"{tmp_path / 'x.ark'}:0")
    assert not (tmp_path / "harm").exists()


def test_values_that_are_no_numbers_are_refused(tmp_path):
    array = np.array([[0.0, np.nan]], np.float32)
    with pytest.raises(UserError, match="x: its embedding holds NaN"):
        write_ark(tmp_path / "x.ark", [("x", array)], 3)
    assert not list(tmp_path.iterdir())


def test_missing_pieces_are_told(tmp_path):
    with pytest.raises(UserError, match="codec.yaml: no such file; extract the embeddings first"):
        EmbeddingReader(tmp_path)
    write_store(tmp_path, {"x": np.zeros((3, 4), np.float32)})
    with pytest.raises(UserError, match="no embedding of 'y'"):
        EmbeddingReader(tmp_path)["y"]
    with pytest.raises(UserError, match="emb_ref1.scp: no such file"):
        EmbeddingReader(tmp_path, "ref1")
    write_scp(tmp_path / "utt2num_frames", {"x": 4})
    with pytest.raises(UserError, match=r"'x' has shape \(3, 4\) instead of \(4, 4\)"):
        EmbeddingReader(tmp_path)["x"]
    (tmp_path / "codec.yaml").write_text("codec: x\n")
    with pytest.raises(UserError, match="not a codec description"):
        EmbeddingReader(tmp_path)
    with pytest.raises(UserError, match="unknown layer 'x'; known: continuous, quantized, codes"):
        EmbeddingDescription.of(None, "x", "3")


class _Exploit:
    """Its unpickling would make a folder."""

    def __init__(self, trace):
        self.trace = str(trace)

    def __reduce__(self):
        return os.mkdir, (self.trace,)


def test_a_training_reads_matrices_only(tmp_path):
    """kaldiio, by which ESPnet reads, would unpickle the one entry and run the other."""
    arrays = {"good": np.ones((3, 4), np.float32), "other": np.zeros((2, 4), np.float32)}
    ark = write_store(tmp_path, arrays, 3)
    scp = tmp_path / "emb_mix.scp"
    check_arks(scp)
    assert data_entry(scp, "speech_mix", "kaldi_ark") == f"{scp},speech_mix,kaldi_ark"
    table = read_scp(scp)
    offset = ark.stat().st_size + len("bad ")
    with open(ark, "ab") as stream:
        stream.write(b"bad PKL" + pickle.dumps(_Exploit(tmp_path / "trace")))
    commands = {"cat x.ark |": "cat x.ark", "touch trace |": "touch trace"}
    for location, shown in ({f"{ark}:{offset}": "no matrix at byte"} | commands).items():
        write_scp(scp, {**table, "bad": location})
        with pytest.raises(UserError, match=f"'bad' is .*{shown}"):
            data_entry(scp, "speech_mix", "kaldi_ark")
    ark.unlink()
    write_scp(scp, table)
    with pytest.raises(UserError, match="cannot be read .*; extract the embeddings again"):
        check_arks(scp)
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize("key", ["../x", "/etc/x", "a/../../x", ".."])
def test_ids_that_lead_out_of_a_folder(tmp_path, key):
    (tmp_path / "wav.scp").write_text(f"a/b /x.wav\n{key} /y.wav\n")
    with pytest.raises(UserError, match=f"wav.scp:2: the id '{key}' is a path; give the utterance another id"):
        read_scp(tmp_path / "wav.scp")
    (tmp_path / "wav.scp").write_text("a/b..c /x.wav\n")
    assert read_scp(tmp_path / "wav.scp") == {"a/b..c": "/x.wav"}
