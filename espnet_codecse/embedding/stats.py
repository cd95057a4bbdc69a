"""Statistics of embeddings: mean and standard deviation per channel, and ESPnet's shape files."""

import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from espnet_codecse.embedding.store import EmbeddingReader
from espnet_codecse.errors import UserError
from espnet_codecse.fileio import atomic_path, write_scp

SHAPE_NAMES = {"mix": "speech_mix_shape", "ref": "speech_ref{}_shape", "noise": "noise_ref{}_shape"}


def channel_statistics(embeddings: Iterable[np.ndarray], dim: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Return ``(mean (channel,), standard deviation (channel,), number of frames)`` over all frames.

    One utterance is in memory at a time; sums are in float64 and merged by Chan's formula, which does not lose
    small deviations beside a large mean.

    Args:
        embeddings: each ``(frame, channel)``.
        dim: number of channels.
    """
    count, mean, squares = 0, np.zeros(dim), np.zeros(dim)
    for matrix in embeddings:
        matrix = matrix.astype(np.float64)
        if not len(matrix):
            continue
        difference = matrix.mean(axis=0) - mean
        total = count + len(matrix)
        mean += difference * len(matrix) / total
        squares += ((matrix - matrix.mean(axis=0)) ** 2).sum(axis=0) + difference**2 * count * len(matrix) / total
        count = total
    return mean, np.sqrt(squares / max(count, 1)), count


def write_statistics(path: Path, mean: np.ndarray, std: np.ndarray, num_frames: int, fingerprint: str) -> None:
    """Write what ``codecse train --embedding_stats`` reads: statistics of the codec with this fingerprint."""
    with atomic_path(path) as temporary:
        np.savez(
            temporary,
            mean=mean.astype(np.float32),
            std=std.astype(np.float32),
            num_frames=num_frames,
            fingerprint=fingerprint,
        )


def check_finite(reader: EmbeddingReader) -> None:
    """Read all matrices of a stream, as a training does.

    Raises:
        UserError: a matrix is damaged, or holds NaN or infinity.
    """
    for utterance in reader:
        reader[utterance]


def embedding_stats(folder: Path, out_dir: Path, stream: str = "mix") -> int:
    """Write ``stats.npz`` (``mean``, ``std``, ``num_frames``, ``fingerprint``) and ``*_shape`` files (``id N,D``).

    All streams are read, so that a training does not stumble over a damaged reference.

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
    mean, std, num_frames = channel_statistics((reader[utterance] for utterance in reader), reader.description.dim)
    if num_frames == 0:
        raise UserError(f"{folder}: holds no frame; extract the embeddings of a set that is not empty")
    readers = {stream: reader}
    for path in sorted(Path(folder).glob("emb_*.scp")):
        name = path.stem.removeprefix("emb_")
        if name.rstrip("0123456789") not in SHAPE_NAMES:
            print(f"embedding_stats: {path}: unknown stream, left out", file=sys.stderr)
        elif name != stream:
            readers[name] = EmbeddingReader(folder, name)
            check_finite(readers[name])
    write_statistics(Path(out_dir) / "stats.npz", mean, std, num_frames, reader.description.fingerprint)
    for name, table in readers.items():
        kind = name.rstrip("0123456789")
        shapes = {key: f"{table.num_frames[key]},{table.description.dim}" for key in table}
        write_scp(Path(out_dir) / SHAPE_NAMES[kind].format(name.removeprefix(kind)), shapes)
    return num_frames
