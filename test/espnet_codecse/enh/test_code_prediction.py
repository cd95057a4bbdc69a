"""Predicted codes: the loss, its gradient, and what is decoded."""

import numpy as np
import pytest
import soundfile
import torch
from tiny_models import save_experiment
from voices import voice

from espnet_codecse.bin import enhance
from espnet_codecse.codec import load_codec
from espnet_codecse.enh.enhancer import EmbeddingEnhancer
from espnet_codecse.enh.loss.criterions.code_cross_entropy import PADDING, CodeCrossEntropy
from espnet_codecse.errors import UserError
from espnet_codecse.zoo.load import load_enhancer

LOSS = [{"name": "code_cross_entropy", "conf": {}, "wrapper": "fixed_order", "wrapper_conf": {"weight": 1.0}}]


def batch_of(mixture, reference, lengths):
    return {
        "speech_mix": mixture,
        "speech_mix_lengths": lengths,
        "speech_ref1": reference,
        "speech_ref1_lengths": lengths,
    }


def test_loss_is_the_mean_over_valid_frames_and_codebooks():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 5, 3, 7, generator=generator)
    codes = torch.randint(7, (2, 5, 3), generator=generator)
    codes[1, 2:] = PADDING
    losses = CodeCrossEntropy()(codes, logits)
    log_probability = logits.log_softmax(3).gather(3, codes.clamp(min=0).unsqueeze(3)).squeeze(3)
    expected = [-log_probability[0].mean(), -log_probability[1, :2].mean()]
    torch.testing.assert_close(losses, torch.stack(expected))


def test_a_model_learns_codes_and_padding_changes_nothing(make_model, waveforms, codec):
    mixture, references, lengths = waveforms
    model = make_model(separator_conf={"predicted_codebooks": 3}, criterions=LOSS)
    assert model.separator.codebook_size == codec.codebook_size == 32
    model.eval()
    together = model(**batch_of(mixture, references[0], lengths))[0].item()
    alone = [
        model(**batch_of(mixture[i : i + 1, :n], references[0, i : i + 1, :n], lengths[i : i + 1]))[0].item()
        for i, n in enumerate(lengths.tolist())
    ]
    assert together == pytest.approx(np.mean(alone), rel=1e-3)
    assert together == pytest.approx(np.log(32), abs=0.5)  # all codes are about equally likely
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(30):
        loss = model.train()(**batch_of(mixture, references[0], lengths))[0]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.7 * together


@pytest.mark.parametrize("num_codebooks", [None, 2])
def test_the_most_likely_codes_are_decoded(make_model, codec, num_codebooks):
    model = make_model(separator_conf={"predicted_codebooks": 3}, criterions=LOSS).eval()
    enhancer = EmbeddingEnhancer(codec, model.separator, ("continuous", "quantized"))
    enhancer.num_codebooks, enhancer.divides = num_codebooks, False
    samples, length = voice(4800), torch.tensor([4800])
    result = enhancer.enhance_batch([samples])[0]
    with torch.no_grad():
        embedding, frames = codec.encode(torch.from_numpy(samples)[None], length)
        codes = model.separator(embedding, frames, {})[0][0].argmax(3).transpose(1, 2)[:, :num_codebooks]
        expected = codec.decode(codec.dequantize(codes), frames, 4800)
    for layer in ("continuous", "quantized"):
        np.testing.assert_allclose(result[layer], expected, atol=1e-5)


def test_what_does_not_fit_is_refused(make_model, codec, codec_folder, tmp_path):
    with pytest.raises(UserError, match="need each other"):
        make_model(separator_conf={"predicted_codebooks": 3})
    with pytest.raises(UserError, match="need each other"):
        make_model(criterions=LOSS)
    with pytest.raises(UserError, match="--num_codebooks 9: the codec .* has 8"):
        make_model(separator_conf={"predicted_codebooks": 9}, criterions=LOSS)


def test_an_experiment_is_loaded_and_writes_no_codes(codec_folder, tmp_path):
    folder = save_experiment(tmp_path / "model", codec_folder, criterion="code_cross_entropy", predicted_codebooks=3)
    enhancer = load_enhancer(str(folder), dtype="float32")
    output = enhancer.enhance_batch([voice(4800)])[0]["continuous"]
    assert enhancer.predicts_codes and output.shape == (1, 4800) and np.isfinite(output).all()
    codec = load_codec(codec_folder)
    assert enhancer.separator.codebook_size == codec.codebook_size
    soundfile.write(tmp_path / "a.wav", voice(4800), 16000)
    with pytest.raises(UserError, match="its codes are decoded and cannot be written"):
        enhance.main(["--model", str(folder), "--to", "codes", str(tmp_path / "a.wav"), "-o", str(tmp_path / "o")])
