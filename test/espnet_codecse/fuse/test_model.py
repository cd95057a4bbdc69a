"""Training of the second step: what is frozen, what is averaged, what guidance sees."""

import pytest
import torch

from espnet_codecse.errors import UserError
from espnet_codecse.fuse.average import WeightAverage

FRAMES = 32
CODEC = {"kind": "codec", "width": 16}


def batch(voice, count=4):
    clean = torch.stack([torch.from_numpy(voice((FRAMES - 1) * 128, seed)) for seed in range(count)])
    noisy = clean + 0.02 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    return {"speech_mix": noisy, "speech_ref1": clean, "peak": noisy.abs().amax(1, keepdim=True)}


def steps(model, data, number, rate=1e-3):
    optimizer = torch.optim.AdamW(model.parameters(), rate)
    model.train()
    for _ in range(number):
        optimizer.zero_grad()
        model(**data)[0].backward()
        optimizer.step()
    return model.eval()


@pytest.mark.slow
@pytest.mark.parametrize("injection", [None, "cross_attention", "addition", "concatenation"])
def test_learns_and_keeps_the_vae(make_fuse, voice, injection):
    model = make_fuse({**CODEC, "injection": injection} if injection else None)
    data = batch(voice)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    first = model(**data)[0].item()
    assert first == model(**data)[0].item()  # validation draws the same times and noise each time
    model = steps(model, data, 25, 3e-3)
    assert model(**data)[0].item() < 0.9 * first
    changed = {key.split(".")[0] for key, value in model.state_dict().items() if not torch.equal(value, before[key])}
    assert changed == {"denoiser", "average"}


@pytest.mark.slow
def test_average_is_saved_and_used(make_fuse, voice):
    model = make_fuse()
    data = batch(voice)
    steps(model, data, 3)
    state = model.state_dict()
    assert any(key.startswith("average.module.network.") for key in state)
    loss = model(**data)[0].item()
    spectrogram = torch.randn(2, 2, 256, FRAMES)
    enhanced = model.enhance(spectrogram, None, [0, 1])
    with torch.no_grad():
        for parameter in model.denoiser.parameters():
            parameter.zero_()
    assert model(**data)[0].item() == loss
    assert torch.equal(model.enhance(spectrogram, None, [0, 1]), enhanced)
    other = make_fuse()
    other.load_state_dict(state)
    assert torch.equal(other.enhance(spectrogram, None, [0, 1]), enhanced)
    # What sampling needs not is left out of packs.
    del other.denoiser
    assert torch.equal(other.enhance(spectrogram, None, [0, 1]), enhanced)


def test_average_follows_steps_not_passes():
    network = torch.nn.Linear(1, 1, bias=False)
    average = WeightAverage(network, 0.5)
    expected = network.weight.item()
    average.follow(network)
    optimizer = torch.optim.SGD(network.parameters(), 1.0)
    for step in range(1, 5):
        for _ in range(2):
            average.follow(network)
        network.weight.grad = torch.ones(1, 1)
        optimizer.step()
        average.follow(network)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * network.weight.item()
        assert average.module.weight.item() == pytest.approx(expected, abs=1e-6)
    assert average.n_averaged == 5 and not any(item.requires_grad for item in average.parameters())


def test_stored_latents_and_features_are_the_same_training(make_fuse, voice):
    model = make_fuse({**CODEC, "injection": "addition"})
    data = batch(voice)
    gain = 1 / data["peak"]
    stored = {
        "latent_mix": model.encode(data["speech_mix"] * gain).flatten(1, 2).transpose(1, 2),
        "latent_ref1": model.encode(data["speech_ref1"] * gain).flatten(1, 2).transpose(1, 2),
        "guidance": model.features("cpu").features(data["speech_mix"]),
    }
    assert stored["latent_mix"].shape == (4, 16, 4 * 128)
    assert model(**stored)[0].item() == pytest.approx(model(**data)[0].item(), rel=1e-5)


def test_stored_latents_of_another_vae_are_refused(make_fuse, voice):
    from espnet_codecse.features import hash_of_weights

    model = make_fuse(latents_fingerprint="0" * 16)
    stored = {name: torch.zeros(2, 16, 4 * 128) for name in ("latent_mix", "latent_ref1")}
    with pytest.raises(UserError, match="fingerprint 0000000000000000, but --init_param"):
        model(**stored)
    model.latents_fingerprint = hash_of_weights(model.vae)
    assert model(**stored)[0].isfinite()


def test_guidance_dropout(make_fuse, voice):
    model = make_fuse({**CODEC, "injection": "concatenation", "dropout": 0.25})
    guidance = model.denoiser.guidance
    torch.manual_seed(0)
    assert guidance.draw_kept(4000, "cpu").float().mean().item() == pytest.approx(0.75, abs=0.03)
    latent, features = torch.randn(2, 4, 128, 16), torch.randn(2, 9, guidance.norm.normalized_shape[0])
    times = torch.tensor([3, 700])

    def predict(features, kept):
        return model.denoiser(latent, times, latent, features, torch.tensor(kept))

    both = predict(features, [True, False])
    other = predict(torch.randn_like(features), [True, False])
    assert not torch.allclose(both[0], other[0]) and torch.equal(both[1], other[1])


@pytest.mark.slow
def test_guidance_scale(make_fuse):
    model = make_fuse({**CODEC, "injection": "cross_attention"})
    spectrogram, features = torch.randn(1, 2, 256, FRAMES), torch.randn(1, 9, 32)
    results = {scale: model.enhance(spectrogram, features, [0], 1, guidance_scale=scale) for scale in (0.0, 1.0, 2.0)}
    assert not torch.allclose(results[0.0], results[1.0])
    other = model.enhance(spectrogram, torch.randn(1, 9, 32), [0], 1, guidance_scale=0.0)
    assert torch.equal(results[0.0], other)
    latents = {scale: model.vae.encode(result) for scale, result in results.items()}
    assert not torch.allclose(latents[2.0], latents[1.0])


def test_samples_are_averaged(make_fuse):
    model = make_fuse()
    spectrogram = torch.randn(1, 2, 256, FRAMES)
    single = [model.enhance(spectrogram, None, [0], 2, seed=seed) for seed in (5, 5 + 7919)]
    both = model.enhance(spectrogram, None, [0], 2, num_samples=2, seed=5)
    assert torch.allclose(both, sum(single) / 2, atol=1e-6) and not torch.allclose(*single)


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction", "sample"])
def test_types_of_prediction(make_fuse, voice, kind):
    model = make_fuse(diffusion={"prediction_type": kind})
    clean, noise, times = torch.randn(2, 4, 8, 8), torch.randn(2, 4, 8, 8), torch.tensor([10, 900])
    target = model._target(clean, noise, times)
    noised = model.scheduler.add_noise(clean, noise, times)
    # With the target as prediction, one step from any time gives the clean latent.
    model.scheduler.register_to_config(clip_sample=False)
    model.scheduler.set_timesteps(6)
    for index, time in enumerate(times):
        step = model.scheduler.step(target[index], int(time), noised[index])
        assert torch.allclose(step.pred_original_sample, clean[index], atol=1e-2)


@pytest.mark.slow
def test_without_vae(make_fuse, voice):
    model = make_fuse(use_vae=False)
    assert steps(model, batch(voice, 2), 1)(**batch(voice, 2))[0].isfinite()
    assert model.enhance(torch.randn(1, 2, 256, FRAMES), None, [0], 1).shape == (1, 2, 256, FRAMES)


def test_an_untrained_vae_is_refused(make_fuse, voice):
    model = make_fuse()
    model.vae.num_batches.zero_()
    with pytest.raises(UserError, match="train 1_vae first and pass --init_param"):
        model(**batch(voice))


def test_wrong_configurations(make_fuse, codec_folder):
    for guidance, text in (
        ({"kind": "magic"}, "features of kind 'magic': unknown; known: none, beats"),
        ({"kind": "beats"}, "model: missing; features of kind 'beats'"),
        ({**CODEC, "injection": "osmosis"}, "guidance_conf.injection 'osmosis': unknown"),
        ({**CODEC, "dropout": 1.0}, "guidance_conf.dropout"),
        ({**CODEC, "fingerprint": "0" * 16}, "but the model was trained with 0000000000000000"),
        ({**CODEC, "colour": 1}, "denoiser_conf: .*colour"),
    ):
        with pytest.raises(UserError, match=text):
            make_fuse(guidance)
    with pytest.raises(UserError, match="--codec: missing"):
        make_fuse(dict(CODEC), codec=None)
    with pytest.raises(UserError, match="give multiples of 4"):
        make_fuse(window_frames=30)
    with pytest.raises(UserError, match="diffusion_conf: "):
        make_fuse(diffusion={"beta_schedule": "steep"})
