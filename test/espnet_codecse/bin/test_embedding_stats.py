"""``codecse embedding_stats`` as a user calls it."""

import numpy as np
import pytest

from espnet_codecse.bin.embedding_stats import main
from espnet_codecse.embedding import EmbeddingDescription
from espnet_codecse.embedding.ark import write_ark
from espnet_codecse.embedding.description import write_description
from espnet_codecse.errors import UserError
from espnet_codecse.fileio import write_scp


def test_writes_statistics_and_shapes(tmp_path, capsys):
    folder, out = tmp_path / "emb", tmp_path / "stats"
    matrix = np.arange(12, dtype=np.float32).reshape(4, 3)
    offsets = write_ark(folder / "parts" / "emb_mix.1.ark", [("x", matrix)], None)
    write_scp(folder / "emb_mix.scp", {"x": f"{folder / 'parts' / 'emb_mix.1.ark'}:{offsets['x']}"})
    write_scp(folder / "utt2num_frames", {"x": 4})
    write_description(folder, EmbeddingDescription("tiny", "f00d", 16000, 320, 3, "continuous", "none", "0"))
    assert main([str(folder), str(out)]) == 0
    assert "statistics of 4 frames" in capsys.readouterr().err
    assert np.load(out / "stats.npz")["mean"].tolist() == [4.5, 5.5, 6.5]
    assert (out / "speech_mix_shape").read_text() == "x 4,3\n"


def test_a_folder_without_embeddings_is_told(tmp_path):
    with pytest.raises(UserError, match="codec.yaml: no such file"):
        main([str(tmp_path), str(tmp_path / "stats")])
