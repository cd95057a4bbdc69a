"""Validation utterances in the loggers: real TensorBoard files, and the calls that wandb gets."""

import argparse
import logging
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml
from tiny_codecs import save_mdct
from tiny_models import save_causal_experiment, save_experiment

from espnet_codecse.task.causal import CausalTask
from espnet_codecse.task.enhancement import EmbeddingEnhancementTask
from espnet_codecse.task.listening import log_utterances

event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")


def in_training(folder, task):
    """The model as its task builds it."""
    return task.build_model(argparse.Namespace(**yaml.safe_load((folder / "config.yaml").read_text()))).eval()


@pytest.fixture(scope="module")
def separating(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    model = save_experiment(folder / "model", str(save_mdct(folder / "codec")), num_spk=2)
    return in_training(model, EmbeddingEnhancementTask)


@pytest.fixture(scope="module")
def causal(tmp_path_factory):
    return in_training(save_causal_experiment(tmp_path_factory.mktemp("models") / "model"), CausalTask)


def batches(voice):
    for number in range(2):
        speech = torch.from_numpy(voice(8000, number))[None]
        batch = {"speech_mix": speech, "speech_mix_lengths": torch.tensor([8000]), "speech_ref1": speech / 2}
        yield [f"utt{number}"], {**batch, "utt_id": ["x"]}


def logged(folder):
    events = event_accumulator.EventAccumulator(str(folder), size_guidance={"audio": 0, "images": 0}).Reload()
    return events, set(events.Tags()["audio"]), set(events.Tags()["images"])


def test_audio_and_spectrograms_of_every_speaker(separating, voice, tmp_path):
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(tmp_path) as writer:
        for epoch in (1, 2):
            log_utterances(separating, batches(voice), epoch, "cpu", writer)
    events, sounds, images = logged(tmp_path)
    kinds = ("mixture", "reference", "speaker1", "speaker2")
    assert sounds == {f"utt{number}/{kind}" for number in (0, 1) for kind in kinds}
    assert images == {f"{name}/spectrogram" for name in sounds}
    assert [event.step for event in events.Audio("utt0/speaker1")] == [1, 2]
    assert [event.step for event in events.Audio("utt0/mixture")] == [1]
    assert events.Audio("utt0/speaker2")[0].sample_rate == 16000


def test_wandb_gets_the_same(causal, voice):
    calls = []
    wandb = SimpleNamespace(log=calls.append, Audio=lambda samples, sample_rate: (samples, sample_rate), Image=np.shape)
    log_utterances(causal, batches(voice), 2, "cpu", None, wandb)
    assert [set(call) for call in calls] == [
        {f"audio/utt{number}/speaker1", f"spectrogram/utt{number}/speaker1"} for number in (0, 1)
    ]
    samples, rate = calls[0]["audio/utt0/speaker1"]
    assert len(samples) == 8000 and rate == 16000 and np.abs(samples).max() <= 1


def test_models_that_give_no_waveforms_are_named(voice, caplog):
    with caplog.at_level(logging.INFO):
        log_utterances(torch.nn.Linear(1, 1), batches(voice), 1, "cpu")
    assert "Linear gives no waveforms from the mixture alone" in caplog.text
