"""Statistics of the embeddings that a training on the fly will see, for separators that normalise by them."""

import argparse
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from espnet2.torch_utils.set_all_random_seed import set_all_random_seed

from espnet_codecse.codec import AbsCodec
from espnet_codecse.embedding.extract import encode_batch, read_recording
from espnet_codecse.embedding.parts import SourceFile
from espnet_codecse.embedding.stats import channel_statistics, write_statistics
from espnet_codecse.fileio import read_scp

Preprocess = Callable[[str, dict[str, np.ndarray]], dict[str, np.ndarray]]
NUM_UTTERANCES = 200  # some ten minutes, which give the mean to a hundredth of the deviation
STREAM = "speech_mix"


def training_statistics(args: argparse.Namespace, preprocess: Preprocess, codec: AbsCodec) -> Path:
    """Write ``embedding_stats.npz`` into the experiment, unless it is there, and return its path.

    Mixtures are made by the training's own preprocessor, so that new noise, levels and filters count.

    Args:
        args: options of the training, which reads waveforms.
        preprocess: the training's preprocessor.
        codec: the codec, on the device on which it shall encode.
    """
    path = Path(args.output_dir) / "embedding_stats.npz"
    if path.is_file():
        return path
    sources = {name: read_scp(file) for file, name, _ in args.train_data_path_and_name_and_type}
    names = sorted(sources[STREAM])
    chosen = names[:: max(1, len(names) // NUM_UTTERANCES)][:NUM_UTTERANCES]
    print(f"statistics of the embeddings of {len(chosen)} mixtures -> {path}", file=sys.stderr)
    device = "cuda" if args.ngpu > 0 else "cpu"

    def embeddings() -> Iterator[np.ndarray]:
        for name in chosen:
            data = {
                stream: read_recording(SourceFile(name, table[name], 0.0), codec.sample_rate)
                for stream, table in sources.items()
            }
            yield encode_batch(codec, [preprocess(name, data)[STREAM]], "continuous", device)[0]

    set_all_random_seed(args.seed)
    mean, std, num_frames = channel_statistics(embeddings(), codec.dim)
    write_statistics(path, mean, std, num_frames, codec.fingerprint)
    return path


@contextmanager
def logging_left_alone() -> Iterator[None]:
    """Keep warnings of ESPnet's preprocessor from configuring logging, which ESPnet does only after this."""
    handler = logging.NullHandler()
    logging.root.addHandler(handler)
    try:
        yield
    finally:
        logging.root.removeHandler(handler)
