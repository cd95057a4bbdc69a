"""Reading stored embeddings by utterance."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from espnet_codecse.embedding.ark import read_ark
from espnet_codecse.embedding.description import check_codec, read_description
from espnet_codecse.errors import UserError
from espnet_codecse.fileio import read_counts, read_scp


class EmbeddingReader:
    """One stream (``mix``, ``ref1``, ``noise1``, ...) of a folder written by ``codecse extract``.

    ``reader[id]`` is ``(frame, channel)`` float32, or for the layer ``codes`` ``(codebook, frame)`` int32.
    """

    def __init__(self, folder: str | Path, stream: str = "mix", codec: Any | None = None) -> None:
        """Open the lists; arrays are read when asked for.

        Args:
            folder: folder with ``codec.yaml`` and ``emb_<stream>.scp``.
            stream: which one.
            codec: the codec (or its fingerprint) that is going to be used; None does not compare.

        Raises:
            UserError: a list is missing or damaged, or the embeddings come from another codec.
        """
        self.folder = Path(folder)
        self.description = read_description(self.folder) if codec is None else check_codec(self.folder, codec)
        self.locations = read_scp(self.folder / f"emb_{stream}.scp")
        self.num_frames = read_counts(self.folder / "utt2num_frames")
        self.num_codebooks: dict[str, int] = {}
        if self.description.layer == "codes":
            self.num_codebooks = read_counts(self.folder / "utt2num_codebooks")
        missing = sorted(self.locations.keys() - self.num_frames.keys())
        if missing:
            raise UserError(
                f"{self.folder / 'utt2num_frames'}: no line for '{missing[0]}'; extract the embeddings again"
            )

    def __len__(self) -> int:
        return len(self.locations)

    def __iter__(self) -> Iterator[str]:
        return iter(self.locations)

    def __contains__(self, utterance: str) -> bool:
        return utterance in self.locations

    def __getitem__(self, utterance: str) -> np.ndarray:
        if utterance not in self.locations:
            raise UserError(f"{self.folder}: no embedding of '{utterance}'; extract the embeddings of this set again")
        array = read_ark(self.locations[utterance])
        frames = self.num_frames[utterance]
        if self.num_codebooks:
            shape = (self.num_codebooks.get(utterance, 0), frames)
            array = array.reshape(shape) if array.size == shape[0] * shape[1] else array
        else:
            shape = (frames, self.description.dim)
        if array.shape != shape:
            raise UserError(
                f"{self.locations[utterance]}: '{utterance}' has shape {array.shape} instead of {shape}; "
                "the ark and utt2num_frames do not belong together, extract the embeddings again"
            )
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise UserError(
                f"{self.locations[utterance]}: '{utterance}' holds NaN or infinity; remove this ark and extract the "
                "embeddings again"
            )
        return array
