"""Recordings that are too long for a batch are encoded piece by piece, to the same embeddings."""

import numpy as np
import pytest
import soundfile
from voices import voice

from espnet_codecse.codec import load_codec
from espnet_codecse.container.audio_file import AudioFile
from espnet_codecse.embedding import EmbeddingReader
from espnet_codecse.embedding.ark import read_ark, write_ark
from espnet_codecse.embedding.extract import extract
from espnet_codecse.embedding.long import SpooledMatrix
from espnet_codecse.errors import UserError
from espnet_codecse.fileio import write_scp


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A data directory with two recordings, the longer one of 7 s, in steps of 0.8 s."""
    monkeypatch.setattr("espnet_codecse.embedding.long.STEP", 40)
    paths = {key: str(tmp_path / f"{key}.wav") for key in ("long", "short")}
    for number, (key, num_samples) in enumerate([("long", 112_345), ("short", 8000)]):
        soundfile.write(paths[key], voice(num_samples, number), 16000, subtype="FLOAT")
    (tmp_path / "data").mkdir()
    write_scp(tmp_path / "data" / "wav.scp", paths)
    return tmp_path / "data"


@pytest.mark.parametrize("compression", ["none", "3"])
@pytest.mark.parametrize("layer", ["continuous", "quantized", "codes"])
def test_same_embeddings_in_pieces(codec_folder, data, tmp_path, layer, compression):
    readers = []
    for name, seconds in (("whole", 60.0), ("pieces", 1.0)):
        out = tmp_path / name
        extract(codec_folder, data, out, layer, compression, max_batch_seconds=seconds)
        readers.append(EmbeddingReader(out, "mix"))
        assert not list((out / "parts").glob(".*"))
    whole, pieces = readers
    assert dict(whole.num_frames) == dict(pieces.num_frames)
    for key in whole:
        assert whole[key].dtype == pieces[key].dtype and whole[key].shape == pieces[key].shape
        if layer == "codes":
            np.testing.assert_array_equal(pieces[key], whole[key])
        else:  # up to the rounding of convolutions of another length, which may move a value by one step
            step = np.ptp(whole[key]) / 65535 if compression == "3" else 0.0
            np.testing.assert_allclose(pieces[key], whole[key], atol=1.01 * step + 1e-5)


def test_no_more_than_a_piece_is_in_memory(codec_folder, data, tmp_path, monkeypatch):
    read, encoded = [], []
    codec = load_codec(codec_folder, device="cpu")  # the one that extract uses
    encode, read_file = codec.encode, AudioFile.read

    def counting_encode(speech, lengths):
        encoded.append(speech.shape[1])
        return encode(speech, lengths)

    def counting_read(self, num_samples, *arguments):
        samples = read_file(self, num_samples, *arguments)
        read.append(len(samples))
        return samples

    monkeypatch.setattr(codec, "encode", counting_encode)
    monkeypatch.setattr(AudioFile, "read", counting_read)
    monkeypatch.setattr("espnet_codecse.recording.reader.BLOCK", 4096)
    monkeypatch.setattr("espnet_codecse.recording.reader.read_block.__defaults__", (4096,))
    extract(codec_folder, data, tmp_path / "emb", max_batch_seconds=1.0)
    assert sum(read) >= 112_345 and max(read) == 8000  # the short recording; the long one comes in blocks of 4096
    assert len(encoded) > 3 and max(encoded) <= (40 + 2 * codec.encode_context) * codec.hop


def test_several_channels_are_refused(codec_folder, data, tmp_path):
    soundfile.write(tmp_path / "long.wav", np.zeros((112_345, 2)), 16000)
    with pytest.raises(UserError, match="long.wav: has 2 channels; write a single channel"):
        extract(codec_folder, data, tmp_path / "emb", max_batch_seconds=1.0)


@pytest.mark.parametrize("compression", [None, 3])
def test_spooled_matrices_are_written_as_kaldiio_writes_them(tmp_path, compression):
    matrix = np.random.default_rng(0).normal(size=(5000, 7)).astype(np.float32)
    spooled = SpooledMatrix(tmp_path, 7)
    for start in range(0, 5000, 900):
        spooled.append(matrix[start : start + 900])
    assert spooled.shape == matrix.shape and len(spooled) == 5000
    offsets = write_ark(tmp_path / "a.ark", [("u", matrix)], compression)
    assert write_ark(tmp_path / "b.ark", [("u", spooled)], compression) == offsets
    assert (tmp_path / "a.ark").read_bytes() == (tmp_path / "b.ark").read_bytes()
    assert read_ark(f"{tmp_path / 'b.ark'}:{offsets['u']}").shape == (5000, 7)
    broken = SpooledMatrix(tmp_path, 1)
    broken.append(np.array([[1.0], [np.nan]]))
    with pytest.raises(UserError, match="u: its embedding holds NaN"):
        write_ark(tmp_path / "c.ark", [("u", broken)], compression)
