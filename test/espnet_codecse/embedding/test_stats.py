"""Statistics and shape files of a folder of embeddings."""

import numpy as np
import pytest

from espnet_codecse.embedding import EmbeddingDescription, EmbeddingReader
from espnet_codecse.embedding.ark import write_ark
from espnet_codecse.embedding.description import write_description
from espnet_codecse.embedding.stats import channel_statistics, embedding_stats
from espnet_codecse.errors import UserError
from espnet_codecse.fileio import read_scp, write_scp


@pytest.fixture
def store(tmp_path):
    """Three utterances of 3 channels around large means, one without frames."""
    random = np.random.default_rng(0)
    folder = tmp_path / "emb"
    arrays = {
        key: (random.normal(size=(frames, 3)) * [1, 0.1, 2] + [0, 1000, -5]).astype(np.float32)
        for key, frames in (("a", 7), ("b", 1), ("c", 50), ("empty", 0))
    }
    for stream in ("mix", "ref1", "noise1"):
        ark = folder / "parts" / f"emb_{stream}.1.ark"
        offsets = write_ark(ark, arrays.items(), None)
        write_scp(folder / f"emb_{stream}.scp", {key: f"{ark}:{offset}" for key, offset in offsets.items()})
    write_scp(folder / "utt2num_frames", {key: len(array) for key, array in arrays.items()})
    write_description(folder, EmbeddingDescription("tiny", "f00d", 16000, 320, 3, "continuous", "none", "0"))
    return folder, np.concatenate(list(arrays.values())).astype(np.float64)


def test_streamed_statistics_equal_those_of_all_frames_at_once(store):
    folder, frames = store
    reader = EmbeddingReader(folder)
    mean, std, count = channel_statistics((reader[name] for name in reader), reader.description.dim)
    assert count == 58
    assert np.allclose(mean, frames.mean(axis=0), rtol=1e-12) and np.allclose(std, frames.std(axis=0), rtol=1e-9)


def test_files_for_training(store, tmp_path):
    folder, frames = store
    assert embedding_stats(folder, tmp_path / "stats") == 58
    with np.load(tmp_path / "stats" / "stats.npz") as stats:
        assert np.allclose(stats["std"], frames.std(axis=0), rtol=1e-5) and stats["mean"].dtype == np.float32
        assert str(stats["fingerprint"]) == "f00d" and int(stats["num_frames"]) == 58
    for name in ("speech_mix_shape", "speech_ref1_shape", "noise_ref1_shape"):
        assert read_scp(tmp_path / "stats" / name) == {"a": "7,3", "b": "1,3", "c": "50,3", "empty": "0,3"}


@pytest.mark.parametrize("stream", ["mix", "ref1", "noise1"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_matrix_that_is_not_finite_is_named(store, tmp_path, value, stream):
    folder, _ = store
    ark = folder / "parts" / f"emb_{stream}.1.ark"
    offset = int(read_scp(folder / f"emb_{stream}.scp")["c"].rsplit(":")[-1])
    content = bytearray(ark.read_bytes())
    start = offset + len(b"\0BFM \4....\4....")
    content[start : start + 4] = np.float32(value).tobytes()
    ark.write_bytes(content)
    with pytest.raises(UserError, match=rf"{ark}:{offset}: 'c' holds NaN or infinity; remove this ark"):
        embedding_stats(folder, tmp_path / "stats")
    assert not (tmp_path / "stats").exists()


def test_codes_have_no_statistics(store, tmp_path):
    folder, _ = store
    write_description(folder, EmbeddingDescription("tiny", "f00d", 16000, 320, 3, "codes", "none", "0"))
    write_scp(folder / "utt2num_codebooks", {"a": 2})
    with pytest.raises(UserError, match="holds codes, which have no mean"):
        embedding_stats(folder, tmp_path / "stats")
