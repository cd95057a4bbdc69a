"""Encoder, branches, quantisers, decoder."""

import pytest
import torch
from tiny_dual_branch import DAC, LYRA, MDCT, ROFORMER, tiny_generator
from tiny_lyra import save_lyra

from espnet_codecse.codec import load_codec
from espnet_codecse.dual_branch.coder import build_coder, coder_description
from espnet_codecse.dual_branch.quantizer import BranchQuantizer
from espnet_codecse.errors import UserError


@pytest.mark.parametrize("coder", [MDCT, DAC, LYRA], ids=["mdct", "dac", "lyra"])
@pytest.mark.parametrize("num_quantizers", [0, 2])
def test_batch_equals_one_by_one(coder, num_quantizers):
    generator = tiny_generator(coder, num_quantizers=num_quantizers).eval()
    torch.manual_seed(0)
    lengths = torch.tensor([1, 63, 64, 700, 1333])
    speech = 0.05 * torch.randn(5, 1333) * (torch.arange(1333)[None] < lengths[:, None])
    with torch.no_grad():
        together = generator(speech, lengths)
        for item, length in enumerate(lengths.tolist()):
            alone = generator(speech[item : item + 1, :length], lengths[item : item + 1])
            # Not the scales by themselves: of untrained branches, which are nearly equal, they are ill-conditioned.
            pairs = {
                "clean": (together.clean, alone.clean),
                "noise": (together.noise, alone.noise),
                "both": (together.reconstruction(), alone.reconstruction()),
            }
            for name, (batched, single) in pairs.items():
                assert torch.allclose(batched[item, :length], single[0], atol=1e-4, rtol=1e-3), (name, length)
    assert together.clean[3, 700:].abs().max() == 0


@pytest.mark.parametrize("coder", [MDCT, DAC, LYRA], ids=["mdct", "dac", "lyra"])
def test_every_part_learns(coder):
    generator = tiny_generator(coder).train()
    speech = 0.05 * torch.randn(2, 1280, generator=torch.Generator().manual_seed(0))
    branches = generator(speech, torch.tensor([1280, 1280]))
    energy = branches.clean.square().mean() + branches.noise.square().mean()
    (energy + branches.commitment + branches.codebook).backward()
    for name in ("encoder", "decoder", "speech_branch", "noise_branch", "speech_quantizer", "noise_quantizer"):
        parameters = list(generator.part(name).parameters())
        if coder is MDCT and name == "encoder":  # a transform: nothing to learn
            assert not parameters
            continue
        assert sum(float(p.grad.abs().sum()) for p in parameters if p.grad is not None) > 0, name


def test_codebooks_are_dropped_only_where_asked():
    embedding = torch.randn(8, 30, 4 * 2**3, generator=torch.Generator().manual_seed(0))
    for dropout in (0.0, 0.5):
        # In DAC's layout, which has a dropout of its own training.
        generator = tiny_generator(DAC, num_quantizers=3, quantizer_dropout=dropout)
        quantizer = generator.quantizers["speech"]
        expected = quantizer.eval()(embedding)[0]
        quantizer.train()
        torch.manual_seed(1)
        changed = [(quantizer(embedding)[0] - expected).abs().amax((1, 2)) > 1e-5 for _ in range(8)]
        assert torch.stack(changed).any(0).tolist() == [dropout > 0] * 4 + [False] * 4
    with pytest.raises(UserError, match="quantizer_dropout: 0.5; .* 0 for the small codec"):
        tiny_generator(MDCT, quantizer_dropout=0.5)
    with pytest.raises(UserError, match="quantizer_dropout: 2"):
        tiny_generator(DAC, quantizer_dropout=2)


def test_frozen_parts():
    generator = tiny_generator(frozen=["decoder", "speech_quantizer", "noise_branch"]).train()
    assert not generator.coder.decoder.training and generator.branches["speech"].training
    assert not any(p.requires_grad for p in generator.part("noise_branch").parameters())
    branches = generator(0.05 * torch.randn(1, 640), torch.tensor([640]))
    branches.reconstruction().square().sum().backward()
    assert all(p.grad is None for p in generator.coder.decoder.parameters())
    assert generator.branches["speech"].input.weight.grad.abs().sum() > 0  # through the frozen ones
    with pytest.raises(UserError, match="'encodr' is unknown; known: encoder, decoder"):
        tiny_generator(frozen=["encodr"])


def test_starts_from_a_codec():
    codec = load_codec("small")
    description = coder_description("small")
    coder, _quantizer = build_coder(description, "small")
    speech = 0.05 * torch.randn(1, 3200, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        own = coder.encode(speech, 10)
        embedding, lengths = codec.encode(speech, torch.tensor([3200]))
        assert torch.allclose(own, embedding, atol=1e-5)
        decoded = coder.decode(own, 3200)[:, :2560]
        assert torch.allclose(decoded, codec.decode(embedding, lengths, 3200)[:, :2560], atol=1e-4)
    before = {key: value.clone() for key, value in codec.state_dict().items()}
    trained = torch.optim.SGD(coder.parameters(), lr=1.0)
    coder.decode(coder.encode(speech, 10), 3200).square().sum().backward()
    trained.step()
    assert all(torch.equal(value, before[key]) for key, value in codec.state_dict().items())
    with pytest.raises(UserError, match="of another layout than coder_conf"):
        build_coder(MDCT, "small")


def test_dac_from_a_folder(tmp_path):
    from transformers import DacConfig, DacModel

    torch.manual_seed(0)
    source = DacModel(DacConfig(**{key: value for key, value in DAC.items() if key != "kind"}))
    source.save_pretrained(tmp_path)
    description = coder_description(str(tmp_path))
    assert description == DAC
    coder, quantizer = build_coder(description, str(tmp_path))
    assert torch.equal(coder.decoder.conv1.weight, source.decoder.conv1.weight)
    assert torch.equal(quantizer.quantizers[0].codebook.weight, source.quantizer.quantizers[0].codebook.weight)
    assert coder.hop == 64 and coder.dim == 32


def test_lyra_from_a_folder(tmp_path):
    folder = str(save_lyra(tmp_path / "lyra"))
    description, codec = coder_description(folder), load_codec(folder)
    coder, quantizer = build_coder(description, folder)
    assert (coder.hop, coder.dim, coder.sample_rate) == (320, 8, 16000)
    speech = 0.05 * torch.randn(1, 3200, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        embedding, lengths = codec.encode(speech, torch.tensor([3200]))
        own = coder.encode(speech, 10)
        torch.testing.assert_close(own, embedding)
        torch.testing.assert_close(coder.decode(own, 3200), codec.decode(embedding, lengths, 3200))
        for number in (2, 6):
            quantized, commitment, codebook = BranchQuantizer(quantizer, number)(own)
            expected = codec.quantize(embedding, lengths, number)[0]
            torch.testing.assert_close(quantized, expected, rtol=1e-4, atol=1e-5)
            residuals = [embedding - codec.quantize(embedding, lengths, used)[0] for used in range(1, number + 1)]
            total = sum(residual.square().mean() for residual in residuals)
            assert commitment.item() == pytest.approx(total.item(), rel=1e-4) == codebook.item()
    fresh = build_coder(description)[0]
    assert not torch.equal(fresh.encode(speech, 10), own)


@pytest.mark.parametrize(
    "coder, options, message",
    [
        ({"kind": "mp3"}, {}, "coder_conf kind: 'mp3' is unknown; known: mdct, dac, lyra"),
        (LYRA, {"quantizer_dropout": 0.5}, "quantizer_dropout: 0.5; give .* or 0 for the small codec.*Lyra V2"),
        ({**LYRA, "encoder": []}, {}, "coder_conf: builds no lyra network .*without convolutions"),
        ({**LYRA, "decoder": [{"conv": 3}]}, {}, "coder_conf: builds no lyra network"),
        ({**MDCT, "colour": 1}, {}, "coder_conf: builds no mdct network .*colour"),
        (MDCT, {"num_quantizers": 4}, "num_quantizers: 4 of 3"),
    ],
)
def test_refuses(coder, options, message):
    with pytest.raises(UserError, match=message):
        tiny_generator(coder, **options)


def test_ensures_level():
    generator = tiny_generator(roformer=ROFORMER)
    speech = torch.stack([0.3 * torch.ones(100), torch.zeros(100)])
    gain = generator.gain(speech, torch.tensor([100, 100]))
    assert (gain * speech)[0].square().mean().sqrt() == pytest.approx(10 ** (-26 / 20), rel=1e-5)
    assert gain[1] == 1
