"""Statistics of stored embeddings: mean and standard deviation per channel, and ESPnet's shape files."""

import sys
from pathlib import Path

import numpy as np

from espnet_codecse.embedding.store import EmbeddingReader
from espnet_codecse.errors import UserError
from espnet_codecse.fileio import atomic_path, write_scp

SHAPE_NAMES = {"mix": "speech_mix_shape", "ref": "speech_ref{}_shape", "noise": "noise_ref{}_shape"}


def channel_statistics(reader: EmbeddingReader) -> tuple[np.ndarray, np.ndarray, int]:
    """Return ``(mean (channel,), standard deviation (channel,), number of frames)`` over a stream.

    One utterance is in memory at a time; sums are in float64 and merged by Chan's formula, which does not lose
    small deviations beside a large mean.
    """
    count, mean, squares = 0, np.zeros(reader.description.dim), np.zeros(reader.description.dim)
    for utterance in reader:
        matrix = reader[utterance].astype(np.float64)
        if not len(matrix):
            continue
        difference = matrix.mean(axis=0) - mean
        total = count + len(matrix)
        mean += difference * len(matrix) / total
        squares += ((matrix - matrix.mean(axis=0)) ** 2).sum(axis=0) + difference**2 * count * len(matrix) / total
        count = total
    if count == 0:
        raise UserError(f"{reader.folder}: holds no frame; extract the embeddings of a set that is not empty")
    return mean, np.sqrt(squares / count), count


def embedding_stats(folder: Path, out_dir: Path, stream: str = "mix") -> int:
    """Write ``stats.npz`` (``mean``, ``std``, ``num_frames``, ``fingerprint``) and ``*_shape`` files (``id N,D``).

    Args:
        folder: folder of embeddings.
        out_dir: where the files go.
        stream: the one whose statistics are taken; shapes are written for all.

    Returns:
        Number of frames.

    Raises:
        UserError: missing or damaged embeddings, or a folder of codes.
    """
    reader = EmbeddingReader(folder, stream)
    if reader.description.layer == "codes":
        raise UserError(f"{folder}: holds codes, which have no mean; give a folder of embeddings")
    mean, std, num_frames = channel_statistics(reader)
    with atomic_path(Path(out_dir) / "stats.npz") as temporary:
        np.savez(
            temporary,
            mean=mean.astype(np.float32),
            std=std.astype(np.float32),
            num_frames=num_frames,
            fingerprint=reader.description.fingerprint,
        )
    for path in sorted(Path(folder).glob("emb_*.scp")):
        kind = path.stem[len("emb_") :].rstrip("0123456789")
        number = path.stem[len("emb_") + len(kind) :]
        if kind not in SHAPE_NAMES:
            print(f"embedding_stats: {path}: unknown stream, left out", file=sys.stderr)
            continue
        table = EmbeddingReader(folder, kind + number)
        shapes = {key: f"{table.num_frames[key]},{table.description.dim}" for key in table}
        write_scp(Path(out_dir) / SHAPE_NAMES[kind].format(number), shapes)
    return num_frames
