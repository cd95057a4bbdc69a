"""Codecformer and Codecformer-EL as the template configures them: size, order, gradients, any number of speakers."""

import argparse
from pathlib import Path

import numpy as np
import pytest
import torch

from espnet_codecse.benchmark.macs import count_macs, count_module_macs
from espnet_codecse.benchmark.separation import codecformer_macs
from espnet_codecse.enh.separator.codecformer import CodecformerSeparator
from espnet_codecse.task.configuration import build_configuration
from espnet_codecse.task.enhancement import EmbeddingEnhancementTask

TEMPLATE = Path(__file__).resolve().parents[4] / "egs2" / "TEMPLATE" / "enh1" / "conf"
TINY = {"width": 16, "num_layers": 1, "num_heads": 2, "ffn_width": 16, "dropout": 0.0}
SYSTEMS = ("codecformer", "codecformer_el")


@pytest.fixture
def build(codec_folder, tmp_path):
    """Return a function that builds a system for some speakers, made tiny, through the task."""

    def make(system: str, num_spk: int = 2, loss=None, **model_conf):
        configuration = build_configuration(TEMPLATE, tmp_path, system, "1_separate", codec_folder, None, loss, num_spk)
        configuration["separator_conf"].update(TINY)
        configuration["model_conf"].update(model_conf)
        torch.manual_seed(0)
        return EmbeddingEnhancementTask.build_model(argparse.Namespace(**configuration))

    return make


def named(mixture, references, lengths, reference_lengths=None):
    """Name tensors as ESPnet's collation does."""
    batch = {"speech_mix": mixture, "speech_mix_lengths": lengths}
    for index, reference in enumerate(references, 1):
        batch[f"speech_ref{index}"] = reference
        batch[f"speech_ref{index}_lengths"] = lengths if reference_lengths is None else reference_lengths
    return batch


@pytest.fixture
def speakers(voice):
    """Return a function that gives a mixture, its references and lengths in samples, for any number of speakers."""

    def make(num_spk: int, lengths=(6400, 4801)):
        references = torch.zeros(num_spk, len(lengths), max(lengths))
        for item, length in enumerate(lengths):
            for speaker in range(num_spk):
                references[speaker, item, :length] = torch.from_numpy(voice(length, seed=10 * speaker + item))
        return references.sum(0), references, torch.tensor(lengths)

    return make


@pytest.mark.parametrize("num_channels, millions", [(1024, 17.4), (512, 13.9)])
def test_parameters_as_published(num_channels, millions):
    separator = CodecformerSeparator(num_channels)
    assert sum(value.numel() for value in separator.parameters()) / 1e6 == pytest.approx(millions, abs=0.06)


@pytest.mark.slow
def test_multiplications_as_published():
    # 1.52 GMAC for two seconds: with 1024 channels as thop counts, with 512 channels when attention is counted too.
    assert codecformer_macs(1024, 100).as_thop / 1e9 == pytest.approx(1.52, abs=0.01)
    assert codecformer_macs(512, 100).counted / 1e9 == pytest.approx(1.52, abs=0.01)
    # One second of it is the 0.8 that Codecformer-EL is said to take.
    assert codecformer_macs(1024, 50).as_thop / 1e9 == pytest.approx(0.76, abs=0.01)


def test_the_counters_agree_without_attention():
    model = torch.nn.Sequential(
        torch.nn.Conv1d(4, 6, 3, stride=2, groups=2),
        torch.nn.ConvTranspose1d(6, 5, 4, stride=3),
        torch.nn.Linear(28, 7),
    )

    def run():
        return model(torch.zeros(2, 4, 19))

    expected = 2 * 9 * 6 * 2 * 3 + 2 * 9 * 6 * 5 * 4 + 2 * 5 * 28 * 7
    assert count_macs(run) == count_module_macs(model, run) == expected


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("num_spk", [1, 2, 3])
def test_any_number_of_speakers_in_any_order(build, speakers, codec, system, num_spk):
    model = build(system, num_spk).eval()
    mixture, references, lengths = speakers(num_spk)
    losses = [model(**named(mixture, order, lengths))[0].item() for order in (references, references.flip(0))]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    embedding, frames = codec.encode(mixture, lengths)
    with torch.no_grad():
        estimates = [estimate.detach() for estimate in model.separator(embedding, frames)[0]]
        assert len(estimates) == num_spk
        # What the model makes, in another order, is a perfect reference.
        if system == "codecformer_el":
            exact = model(**named(embedding, estimates[::-1], frames))[0].item()
            assert exact == pytest.approx(0.0, abs=1e-9)
        else:
            valid = torch.arange(mixture.shape[1])[None] < lengths[:, None]
            decoded = [model.decoder(estimate, lengths)[0] * valid for estimate in estimates]
            assert model(**named(embedding, decoded[::-1], frames, lengths))[0].item() < -40


@pytest.mark.parametrize("system", SYSTEMS)
def test_gradients_reach_the_separator_and_not_the_codec(build, speakers, codec, system):
    model = build(system).train()
    before = {key: value.clone() for key, value in codec.state_dict().items()}
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    mixture, references, lengths = speakers(2)
    losses = []
    for _ in range(15):
        optimizer.zero_grad()
        loss = model(**named(mixture, references, lengths))[0]
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in model.parameters())
    assert model.separator.adapter_in.weight.grad.any()
    assert losses[-1] < losses[0]
    assert all(parameter.grad is None for parameter in codec.parameters())
    assert all(torch.equal(value, before[key]) for key, value in codec.state_dict().items())


@pytest.mark.parametrize("loss", [None, "post"])
def test_stored_embeddings_give_the_loss_of_on_the_fly(build, speakers, codec, loss):
    model = build("codecformer_el", 2, loss).eval()
    mixture, references, lengths = speakers(2)
    on_the_fly = model(**named(mixture, references, lengths))[0].item()
    embedding, frames = codec.encode(mixture, lengths)
    stored = [codec.encode(reference, lengths)[0] for reference in references]
    assert model(**named(embedding, stored, frames))[0].item() == pytest.approx(on_the_fly, rel=1e-5)


@pytest.mark.parametrize("system", SYSTEMS)
def test_one_frame(build, voice, codec, system):
    model = build(system, 3)
    samples = torch.from_numpy(np.stack([voice(7, seed) for seed in range(3)]))[:, None]
    loss = model(**named(samples.sum(0), samples, torch.tensor([7])))[0]
    loss.backward()
    assert torch.isfinite(loss)
    assert codec.num_frames(7) == 1


def test_the_separator_sees_the_quantised_mixture_where_it_is_told(build, speakers, codec):
    mixture, references, lengths = speakers(2)
    model = build("codecformer_el").eval()
    plain = model(**named(mixture, references, lengths))[0].item()
    quantized = build("codecformer_el", quantize_mixture=True).eval()(**named(mixture, references, lengths))[0].item()
    embedding, frames = codec.encode(mixture, lengths)
    stored = [codec.encode(reference, lengths)[0] for reference in references]
    by_hand = model(**named(codec.quantize(embedding, frames)[0], stored, frames))[0].item()
    assert quantized == pytest.approx(by_hand, rel=1e-5) and quantized != pytest.approx(plain, rel=1e-3)


@pytest.mark.slow
def test_a_compiled_separator_has_the_same_checkpoints(build):
    plain = build("codecformer_el")
    compiled = build("codecformer_el", compile_separator=True)
    assert list(compiled.state_dict()) == list(plain.state_dict())
    compiled.load_state_dict(plain.state_dict())
