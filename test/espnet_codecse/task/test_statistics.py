"""Statistics of the embeddings that a training on the fly computes before it starts."""

import argparse
import logging

import numpy as np
import pytest
from tiny_codecs import save_mdct

from espnet_codecse.codec import load_codec
from espnet_codecse.embedding.extract import encode_batch
from espnet_codecse.fileio import read_scp
from espnet_codecse.task.enhancement import EmbeddingEnhancementTask
from espnet_codecse.task.statistics import training_statistics


@pytest.fixture
def training(make_data_dir, tmp_path):
    """Return ``(options, codec)`` of a training."""
    data = make_data_dir("train", 3)
    streams = [(f"{data}/wav.scp", "speech_mix", "sound"), (f"{data}/spk1.scp", "speech_ref1", "sound")]
    options = {"train_data_path_and_name_and_type": streams, "output_dir": str(tmp_path), "ngpu": 0, "seed": 1}
    return argparse.Namespace(**options), load_codec(str(save_mdct(tmp_path / "codec")))


def test_of_what_the_preprocessor_makes(training, tmp_path):
    args, codec = training
    path = training_statistics(args, lambda name, data: {"speech_mix": 2 * data["speech_mix"]}, codec)
    found = np.load(path)
    import soundfile

    waveforms = [2 * soundfile.read(file, dtype="float32")[0] for file in read_scp(tmp_path / "train/wav.scp").values()]
    frames = np.concatenate([encode_batch(codec, [samples], "continuous", "cpu")[0] for samples in waveforms])
    np.testing.assert_allclose(found["mean"], frames.mean(0), atol=1e-4)
    np.testing.assert_allclose(found["std"], frames.std(0), rtol=1e-3)
    assert found["fingerprint"] == codec.fingerprint and found["num_frames"] == len(frames)
    before = path.stat().st_mtime_ns
    assert training_statistics(args, None, codec) == path and path.stat().st_mtime_ns == before


def test_warnings_of_the_preprocessor_do_not_configure_logging(training, monkeypatch, tmp_path):
    args, _ = training
    seen = []

    def warning(name, data):
        logging.warning("a short sample")
        return data

    class Task(EmbeddingEnhancementTask):
        @classmethod
        def build_preprocess_fn(cls, args, train):
            logging.warning("please ensure the sampling rates")
            return warning

    worker = classmethod(lambda cls, args: seen.append(list(logging.root.handlers)))
    monkeypatch.setattr(EmbeddingEnhancementTask.__mro__[1], "main_worker", worker)
    monkeypatch.setattr(logging.root, "handlers", [])
    args.encoder, args.encoder_conf, args.embedding_stats = "codec", {"codec": str(tmp_path / "codec")}, None
    args.separator, args.separator_conf = "nac_se", {}
    Task.main_worker(args)
    assert seen == [[]] and (tmp_path / "embedding_stats.npz").is_file()
