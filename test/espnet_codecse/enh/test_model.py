"""The enhancement model: stored and on-the-fly embeddings, all losses, any separator, any number of speakers."""

import argparse

import pytest
import torch

from espnet_codecse.codec import load_codec
from espnet_codecse.embedding.ark import read_ark, write_ark

LOSSES = ("pre", "post", "both", "waveform")
PIT = [{"name": "embedding_mse", "conf": {"layer": "continuous"}, "wrapper": "pit", "wrapper_conf": {"weight": 1.0}}]


def batch_of(mixture, references, lengths, reference_lengths=None):
    """Name tensors as ESPnet's collation does."""
    reference_lengths = lengths if reference_lengths is None else reference_lengths
    batch = {"speech_mix": mixture, "speech_mix_lengths": lengths}
    for index, reference in enumerate(references, 1):
        batch[f"speech_ref{index}"] = reference
        batch[f"speech_ref{index}_lengths"] = reference_lengths
    return batch


def on_disk(codec, speech, lengths, path, compression):
    """Encode, write to an ark and read back: ``(batch, frame, channel)`` and its lengths."""
    embedding, frames = codec.encode(speech, lengths)
    items = [(str(i), embedding[i, :count].numpy()) for i, count in enumerate(frames.tolist())]
    offsets = write_ark(path, items, compression)
    stored = torch.zeros_like(embedding)
    for index, count in enumerate(frames.tolist()):
        stored[index, :count] = torch.from_numpy(read_ark(f"{path}:{offsets[str(index)]}"))
    return stored, frames


@pytest.mark.parametrize("compression, tolerance", [(None, 1e-5), (3, 1e-3)])
@pytest.mark.parametrize("loss", LOSSES)
def test_stored_embeddings_give_the_same_loss(make_model, waveforms, codec, tmp_path, loss, compression, tolerance):
    mixture, references, lengths = waveforms
    model = make_model(loss).eval()
    on_the_fly = model(**batch_of(mixture, references[:1], lengths))[0]
    stored, frames = on_disk(codec, mixture, lengths, tmp_path / "mix.ark", compression)
    if loss == "waveform":
        batch = batch_of(stored, references[:1], frames, lengths)
    else:
        batch = batch_of(stored, [on_disk(codec, references[0], lengths, tmp_path / "ref.ark", compression)[0]], frames)
    assert model(**batch)[0].item() == pytest.approx(on_the_fly.item(), rel=tolerance, abs=tolerance)


@pytest.mark.parametrize("loss", LOSSES)
def test_losses_are_means_over_valid_frames(make_model, waveforms, loss):
    mixture, references, lengths = waveforms
    model = make_model(loss).eval()
    together = model(**batch_of(mixture, references[:1], lengths))[0]
    alone = [
        model(**batch_of(mixture[i : i + 1, :n], references[:1, i : i + 1, :n], lengths[i : i + 1]))[0]
        for i, n in enumerate(lengths.tolist())
    ]
    assert together.item() == pytest.approx(torch.stack(alone).mean().item(), rel=1e-3)


def test_loss_is_the_formula(make_model, waveforms, codec):
    mixture, references, lengths = (part[:1] if part.dim() < 3 else part[:1, :1] for part in waveforms)
    losses = {loss: make_model(loss).eval() for loss in ("pre", "post", "both")}
    values = {loss: model(**batch_of(mixture, references, lengths))[0].item() for loss, model in losses.items()}
    embedding, frames = codec.encode(mixture, lengths)
    reference = codec.encode(references[0], lengths)[0]
    estimate = losses["pre"].separator(embedding, frames)[0][0].detach()
    pre = (estimate - reference).square().mean().item()
    post = (codec.quantize(estimate)[0] - codec.quantize(reference)[0]).square().mean().item()
    assert values["pre"] == pytest.approx(pre, rel=1e-4)
    assert values["post"] == pytest.approx(post, rel=1e-4)
    assert values["both"] == pytest.approx(pre + post, rel=1e-4)


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_trains_the_separator_and_never_the_codec(make_model, waveforms, codec, loss):
    mixture, references, lengths = waveforms
    model = make_model(loss)
    assert not any("codec" in key for key in model.state_dict())
    assert all(name.startswith("separator.") for name, _ in model.named_parameters())
    before = {key: value.clone() for key, value in codec.state_dict().items()}
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    embedding, frames = codec.encode(mixture, lengths)
    reference = references[:1] if loss == "waveform" else [codec.encode(references[0], lengths)[0]]
    batch = batch_of(embedding, reference, frames, lengths if loss == "waveform" else None)
    values = []
    for step in range(20):
        optimizer.zero_grad()
        value, stats, count = model(**batch)
        value.backward()
        if step == 0:
            assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters())
            assert any(parameter.grad.abs().sum() > 0 for parameter in model.separator.transformer.parameters())
        optimizer.step()
        values.append(value.item())
    assert count == 3 and stats["loss"].item() == pytest.approx(values[-1])
    assert sum(values[-3:]) < sum(values[:3])
    assert all(torch.equal(value, before[key]) for key, value in codec.state_dict().items())
    assert all(parameter.grad is None for parameter in codec.parameters())


def test_two_speakers_in_any_order(make_model, waveforms, codec):
    mixture, references, lengths = waveforms
    model = make_model(separator_conf={"num_spk": 2}, criterions=PIT)
    one = model(**batch_of(mixture, references, lengths))[0]
    other = model(**batch_of(mixture, references.flip(0), lengths))[0]
    assert one.item() == pytest.approx(other.item(), rel=1e-5)
    embedding, frames = codec.encode(mixture, lengths)
    estimates = [estimate.detach() for estimate in model.separator(embedding, frames)[0]]
    exact, _, _ = model(**batch_of(embedding, estimates[::-1], frames))
    assert exact.item() == pytest.approx(0.0, abs=1e-9)
    one.backward()
    assert model.separator.modulation.masker.parametrizations.weight.original0.grad.abs().sum() > 0


def test_two_speakers_on_waveforms(make_model, waveforms, codec):
    mixture, references, lengths = waveforms
    criterions = [{"name": "si_snr", "conf": {"eps": 1e-7}, "wrapper": "pit", "wrapper_conf": {"weight": 1.0}}]
    model = make_model("waveform", separator_conf={"num_spk": 2}, criterions=criterions)
    embedding, frames = codec.encode(mixture, lengths)
    one = model(**batch_of(embedding, references, frames, lengths))[0]
    other = model(**batch_of(embedding, references.flip(0), frames, lengths))[0]
    assert one.item() == pytest.approx(other.item(), rel=1e-5)
    with pytest.raises(ValueError, match="needs waveform references"):
        model(**batch_of(embedding, [embedding, embedding], frames))


@pytest.mark.parametrize(
    "separator, conf",
    [
        ("rnn", {"rnn_type": "blstm", "layer": 1, "unit": 8, "nonlinear": "relu"}),
        ("transformer", {"adim": 8, "aheads": 2, "layers": 1, "linear_units": 8, "nonlinear": "relu"}),
        ("tcn", {"layer": 1, "stack": 1, "bottleneck_dim": 8, "hidden_dim": 8, "nonlinear": "relu"}),
        ("skim", {"layer": 1, "unit": 8, "segment_size": 4, "nonlinear": "relu"}),
    ],
)
@pytest.mark.parametrize("num_spk", [1, 2])
def test_espnet_separators_train_on_embeddings(codec_folder, waveforms, separator, conf, num_spk):
    from espnet_codecse.task.enhancement import EmbeddingEnhancementTask

    args = argparse.Namespace(
        encoder="codec",
        encoder_conf={"codec": codec_folder},
        decoder="codec",
        decoder_conf={"codec": codec_folder},
        separator=separator,
        separator_conf={"num_spk": num_spk, **conf},
        criterions=PIT,
        model_conf={},
    )
    model = EmbeddingEnhancementTask.build_model(args)
    mixture, references, lengths = waveforms
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    before = [parameter.detach().clone() for parameter in model.parameters()]
    for _ in range(2):
        optimizer.zero_grad()
        loss = model(**batch_of(mixture, references[:num_spk], lengths))[0]
        loss.backward()
        optimizer.step()
    assert torch.isfinite(loss)
    assert any(not torch.equal(old, new) for old, new in zip(before, model.parameters()))


def test_loud_recordings_weigh_no_more_than_soft_ones(make_model, waveforms):
    mixture, references, lengths = waveforms
    embeddings = [load_codec(make_model().encoder.codec_name).encode(x, lengths) for x in (mixture, references[0])]
    (mix, frames), (reference, _) = embeddings
    for normalize, factor in ((False, 100.0), (True, 1.0)):
        model = make_model(model_conf={"normalize_variance": normalize}).eval()
        soft = model(**batch_of(mix, [reference], frames))[0].item()
        loud = model(**batch_of(10 * mix, [10 * reference], frames))[0].item()
        assert loud / soft == pytest.approx(factor, rel=1e-2)


def test_wrong_inputs(make_model, codec):
    model = make_model()
    with pytest.raises(ValueError, match="embeddings of 5 channels, but the codec has 32"):
        model.encoder(torch.zeros(1, 4, 5), torch.tensor([4]))
    with pytest.raises(ValueError, match="input at 8000 Hz, but the codec"):
        model.encoder(torch.zeros(1, 800), torch.tensor([800]), fs=8000)


def test_decoder_quantises_where_it_is_told(codec, codec_folder):
    from espnet_codecse.enh.decoder.codec_decoder import CodecDecoder

    embedding, frames = codec.encode(0.1 * torch.randn(1, 6400), torch.tensor([6400]))
    lengths = torch.tensor([6400])
    plain = CodecDecoder(codec_folder)(embedding, lengths)[0]
    quantized = CodecDecoder(codec_folder, quantize=True)(embedding, lengths)[0]
    assert torch.equal(plain, codec.decode(embedding, frames, 6400))
    assert torch.allclose(quantized, codec.decode(codec.quantize(embedding)[0], frames, 6400), atol=1e-5)
