"""Enhancement of recordings: length, level, batches, seeds, windows, long recordings."""

import argparse

import numpy as np
import pytest
import torch

from espnet_codecse.errors import UserError
from espnet_codecse.fuse.enhancer import FuseEnhancer, WindowEnhancer
from espnet_codecse.fuse.sgmse import SGMSEEnhancer
from espnet_codecse.fuse.spectrogram import CompressedSpectrogram
from espnet_codecse.inference.abs_enhancer import RunSettings
from espnet_codecse.level import Level

TRAINING = argparse.Namespace(window_frames=32)
GUIDED = {"kind": "codec", "injection": "addition"}


def build(model, **options):
    return FuseEnhancer.from_model(model, TRAINING, RunSettings(options={"num_steps": 2, **options}))


def outputs(enhancer, *speech):
    return [result["waveform"] for result in enhancer.enhance_batch(speech)]


@pytest.mark.slow
@pytest.mark.parametrize("guidance", [None, GUIDED])
def test_batch_equals_one_by_one(make_fuse, voice, guidance):
    enhancer = build(make_fuse(guidance))
    speech = [voice(9000, 1), voice(1, 2), voice(20001, 3), voice(4096, 4)]
    together = outputs(enhancer, *speech)
    for samples, result in zip(speech, together):
        assert result.shape == (1, len(samples)) and result.dtype == np.float32 and np.isfinite(result).all()
        assert np.allclose(outputs(enhancer, samples)[0], result, atol=1e-5)
    assert enhancer.network_seconds > 0 and sum(item.numel() for item in enhancer.network.parameters()) > 0


@pytest.mark.slow
def test_seeds(make_fuse, voice):
    model, speech = make_fuse(), voice(9000)
    first = outputs(build(model, seed=3), speech)[0]
    torch.randn(7)  # the state of torch's own generator does not matter
    assert np.array_equal(outputs(build(model, seed="3"), speech)[0], first)
    assert not np.allclose(outputs(build(model, seed=4), speech)[0], first, atol=1e-4)


def test_level_and_silence(make_fuse, voice):
    enhancer = build(make_fuse())
    speech = voice(9000)
    soft, loud = outputs(enhancer, 0.02 * speech, 4 * speech)
    assert np.allclose(loud, 200 * soft, atol=1e-3 * np.abs(loud).max())
    assert not outputs(enhancer, np.zeros(5000, np.float32))[0].any()


def test_vae_alone_is_the_ceiling(vae_model, voice):
    enhancer = build(vae_model.eval(), num_steps=6)
    speech = voice(9000)
    result = outputs(enhancer, speech)[0]
    spectrogram = enhancer.spectrogram
    gain = 1 / np.abs(speech).max()
    padded = torch.nn.functional.pad(spectrogram(torch.from_numpy(speech)[None] * gain), (0, 32))[..., :32]
    expected = spectrogram.inverse(vae_model.vae.reconstruct(padded), 31 * 128).detach().numpy() / gain
    # Before the second window begins, the first one is all there is.
    assert np.allclose(result[:, : 22 * 128], expected[:, : 22 * 128], atol=1e-4)


class Unchanged(WindowEnhancer):
    """Returns windows as they are, so that only the cutting and joining acts."""

    def enhance_windows(self, windows, speech, numbers):
        return windows


@pytest.mark.parametrize("frequency", [440.0, 3000.0])
def test_a_steady_tone_keeps_its_energy_at_joins(frequency):
    tone = 0.3 * np.sin(2 * np.pi * frequency * np.arange(5 * 16000) / 16000).astype(np.float32)
    enhancer = Unchanged(CompressedSpectrogram(), window_frames=64, device="cpu", segment_seconds=2.0)
    pieces = enhancer.enhance_long(lambda start, count: tone[start : start + count], len(tone))
    whole = np.concatenate([piece["waveform"][0] for piece in pieces])
    assert whole.shape == tone.shape
    inner = whole[1600 : len(tone) // 160 * 160 - 1600].reshape(-1, 160)
    expected = tone[1600 : len(tone) // 160 * 160 - 1600].reshape(-1, 160)
    change = 10 * np.log10(np.square(inner).sum(1) / np.square(expected).sum(1))
    assert np.abs(change).max() < 0.1


@pytest.mark.slow
def test_long_recordings(make_fuse, voice):
    enhancer = FuseEnhancer.from_model(
        make_fuse(), TRAINING, RunSettings(segment_seconds=2.0, options={"num_steps": 1})
    )
    speech = voice(80000)
    speech[40000] = 0.99  # all segments are brought to the level of the recording
    pieces = [
        piece["waveform"] for piece in enhancer.enhance_long(lambda start, count: speech[start : start + count], 80000)
    ]
    whole = np.concatenate(pieces, 1)
    assert whole.shape == (1, 80000) and len(pieces) > 2
    # The first segment, without what is cross-faded, is enhanced as it would be alone.
    alone = enhancer.enhance_batch([speech[:32000]], levels=[Level(float(np.abs(speech).max()), 0.0)])[0]["waveform"]
    assert np.allclose(whole[:, :16000], alone[:, :16000], atol=1e-6)


@pytest.mark.slow
def test_options(make_fuse):
    for options, text in (
        ({"num_steps": 0}, "num_steps 0: give 1 to 50"),
        ({"num_steps": "many"}, "num_steps many: not a number"),
        ({"num_samples": 0}, "num_samples 0"),
        ({"start": 0.0}, "start 0: give 1"),
        ({"colour": 1}, "colour: unknown option of this system; known: num_steps"),
    ):
        with pytest.raises(UserError, match=text):
            build(make_fuse(), **options)
    with pytest.raises(UserError, match="segments overlap"):
        FuseEnhancer.from_model(make_fuse(), TRAINING, RunSettings(segment_seconds=0.5))


@pytest.mark.slow
def test_sgmse(voice):
    from espnet2.enh.decoder.stft_decoder import STFTDecoder
    from espnet2.enh.diffusion.score_based_diffusion import ScoreModel
    from espnet2.enh.diffusion_enh import ESPnetDiffusionModel
    from espnet2.enh.encoder.stft_encoder import STFTEncoder

    torch.manual_seed(0)
    stft = {"n_fft": 510, "hop_length": 128}
    score = {"nf": 8, "ch_mult": (1, 1), "num_res_blocks": 1, "attn_resolutions": ()}
    model = ESPnetDiffusionModel(
        STFTEncoder(**stft, spec_transform_type="exponent"),
        ScoreModel(score_model="ncsnpp", score_model_conf=score, sde="ouve", sde_conf={}),
        STFTDecoder(**stft),
    ).eval()
    # The same front end as the encoder that trains it.
    enhancer = SGMSEEnhancer.from_model(model, TRAINING, RunSettings(options={"num_steps": 2}))
    speech = torch.from_numpy(voice(5000))[None]
    ours = enhancer.spectrogram(speech)
    theirs = torch.view_as_real(model.encoder(speech, torch.tensor([5000]))[0]).permute(0, 3, 2, 1)
    assert torch.allclose(theirs[..., 4:-4], ours[..., 4:-4], atol=1e-4)
    speech = [voice(5000, 1), voice(3000, 2)]
    state = torch.random.get_rng_state()
    together = outputs(enhancer, *speech)
    assert torch.equal(torch.random.get_rng_state(), state)
    for samples, result in zip(speech, together):
        assert result.shape == (1, len(samples)) and np.isfinite(result).all()
        assert np.allclose(outputs(enhancer, samples)[0], result, atol=1e-5)
    for options in ({"start": 1}, {"num_steps": "x"}, {"num_steps": 0}):
        with pytest.raises(UserError):
            SGMSEEnhancer.from_model(model, TRAINING, RunSettings(options=options))
