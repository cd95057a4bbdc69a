"""Both steps, stored and on the fly, and the baseline, through ESPnet's real trainer."""

import argparse
import re

import numpy as np
import pytest
import torch
import yaml
from tiny_codecs import save_mdct

from espnet_codecse.bin import extract_latents
from espnet_codecse.embedding.store import EmbeddingReader
from espnet_codecse.errors import UserError
from espnet_codecse.fuse.enhancer import FuseEnhancer
from espnet_codecse.fuse.espnet_diffusion import FuseDiffusion
from espnet_codecse.fuse.latents import load_latents
from espnet_codecse.fuse.sgmse import SGMSEEnhancer
from espnet_codecse.inference.abs_enhancer import RunSettings
from espnet_codecse.task.fuse import FuseTask, FuseVAETask, SGMSETask, training_data

VAE = {"channels": [8, 16], "layers_per_block": 1, "latent_channels": 4, "norm_groups": 4, "mid_attention": False}
DENOISER = {
    "channels": [16, 16], "attention_levels": [1], "layers_per_block": 1, "norm_groups": 4, "head_channels": 8,
}  # fmt: skip
COMMON = {
    "vae_conf": VAE, "denoiser_conf": DENOISER, "window_frames": 32, "batch_type": "unsorted", "batch_size": 2,
    "valid_batch_size": 2, "num_workers": 0, "max_epoch": 1, "optim": "adamw", "optim_conf": {"lr": 1e-3}, "seed": 1,
    "best_model_criterion": [["valid", "loss", "min"]], "keep_nbest_models": 1,
}  # fmt: skip


@pytest.fixture(scope="module")
def codec(tmp_path_factory):
    return str(save_mdct(tmp_path_factory.mktemp("codec") / "tiny"))


@pytest.fixture
def data(make_data_dir):
    folders = make_data_dir("train", 4), make_data_dir("valid", 2)
    for folder in folders:
        names = [line.split()[0] for line in (folder / "wav.scp").read_text().splitlines()]
        (folder / "utt2num_samples").write_text("".join(f"{name} 16000\n" for name in names))
    return folders


def run(task, folder, configuration, data, folders=None, *options):
    folder.mkdir(exist_ok=True)
    (folder / "train.yaml").write_text(yaml.safe_dump(configuration))
    given = training_data(configuration, data, folders or {})
    command = ["--config", str(folder / "train.yaml"), "--output_dir", str(folder), "--resume", "true", "--ngpu", "0"]
    task.main(cmd=[*command, *given, *options])
    return folder / "valid.loss.best.pth"


def rebuilt(task, checkpoint):
    training = argparse.Namespace(**yaml.safe_load((checkpoint.parent / "config.yaml").read_text()))
    model = task.build_model(training)
    model.load_state_dict(torch.load(checkpoint))
    return model.eval(), training


@pytest.mark.slow
def test_both_steps(data, codec, tmp_path, voice):
    vae = run(FuseVAETask, tmp_path / "1_vae", {**COMMON, "task": "fuse_vae"}, data)
    second = {
        **COMMON, "task": "fuse", "codec": codec, "guidance_conf": {"kind": "codec", "injection": "addition"},
    }  # fmt: skip
    with pytest.raises(UserError, match="train 1_vae first"):
        run(FuseTask, tmp_path / "without", second, data)

    # On the fly.
    folder = tmp_path / "2_diffusion"
    best = run(FuseTask, folder, second, data, {}, "--init_param", str(vae))
    model, training = rebuilt(FuseTask, best)
    assert training.task == "fuse" and training.guidance_conf["fingerprint"]
    trained = torch.load(vae)
    assert all(torch.equal(trained[f"vae.{key}"], value) for key, value in model.vae.state_dict().items())
    assert model.average.n_averaged == 2  # two batches
    different = [not torch.equal(model.average.module.get_parameter(name), value)
                 for name, value in model.denoiser.named_parameters()]  # fmt: skip
    assert any(different)
    enhancer = FuseEnhancer.from_model(model, training, RunSettings(options={"num_steps": 2}))
    speech = voice(5000)
    assert enhancer.enhance_batch([speech])[0]["waveform"].shape == (1, 5000)

    # It goes on where it was, average included.
    states = torch.load(folder / "checkpoint.pth", weights_only=False)
    assert "average.n_averaged" in states["model"]
    run(FuseTask, folder, second, data, {}, "--init_param", str(vae), "--max_epoch", "2")
    assert rebuilt(FuseTask, folder / "2epoch.pth")[0].average.n_averaged == 4

    # From stored latents and features.
    folders = {}
    for name, option in (("latents", ["--vae", str(vae)]), ("guidance", ["--guidance", f"codec:{codec}"])):
        out = tuple(tmp_path / name / each.name for each in data)
        for each, target in zip(data, out):
            extract_latents.main([*option, str(each), str(target), "--compression", "none", "--nj", "1"])
        folders[name] = out
    assert not (folders["guidance"][0] / "emb_ref1.scp").exists()
    given = training_data(second, data, folders)
    assert not any(",sound" in option for option in given) and "latent_mix=256" in given
    best = run(FuseTask, tmp_path / "stored", second, data, folders, "--init_param", str(vae))
    assert rebuilt(FuseTask, best)[0].average.n_averaged == 2
    # Embeddings of the guiding codec do as well, and each source may be missing.
    assert any("emb_mix.scp,guidance" in option for option in
               training_data(second, data, {"embeddings": folders["guidance"]}))  # fmt: skip
    mixed = training_data(second, data, {"latents": folders["latents"]})
    assert any(",speech_mix,sound" in option for option in mixed) and any("latent_ref1" in option for option in mixed)

    # The same VAE inside ESPnet's own front end.
    conf = {"vae_conf": VAE, "denoiser_conf": DENOISER, "window_frames": 32}
    diffusion = FuseDiffusion(str(vae), 2, 8, **conf)
    assert all(torch.equal(trained[f"vae.{key}"], value) for key, value in diffusion.model.vae.state_dict().items())


@pytest.mark.slow
def test_convolutional_denoiser(data, tmp_path):
    vae = run(FuseVAETask, tmp_path / "1_vae", {**COMMON, "task": "fuse_vae"}, data)
    second = {
        **COMMON, "task": "fuse", "denoiser": "convolutional", "guidance_conf": {"kind": "none"},
        "denoiser_conf": {"channels": [8, 8], "blocks": [1, 1], "norm_groups": 4, "time_width": 8},
        "diffusion_conf": {"prediction_type": "v_prediction", "rescale_betas_zero_snr": True},
        "objective_conf": {"matched_steps": 6, "matched_portion": 0.5},
    }  # fmt: skip
    best = run(FuseTask, tmp_path / "2_diffusion", second, data, None, "--init_param", str(vae))
    model, training = rebuilt(FuseTask, best)
    assert model.average.n_averaged == 2 and model.matched_portion == 0.5
    enhancer = FuseEnhancer.from_model(model, training, RunSettings(options={"num_steps": "2"}))
    assert np.isfinite(enhancer.enhance_batch([np.ones(5000, np.float32)])[0]["waveform"]).all()


@pytest.mark.slow
def test_configurations_of_earlier_versions_build(data, tmp_path):
    run(FuseVAETask, tmp_path / "1_vae", {**COMMON, "task": "fuse_vae"}, data)
    training = yaml.safe_load((tmp_path / "1_vae" / "config.yaml").read_text())
    for name in ("denoiser", "objective_conf"):
        del training[name]
    model = FuseTask.build_model(argparse.Namespace(**{**training, "guidance_conf": {"kind": "none"}}))
    assert type(model.denoiser).__name__ == "Denoiser" and not model.matched_portion


@pytest.mark.slow
def test_stored_latents_are_those_of_windows(data, tmp_path):
    vae = run(FuseVAETask, tmp_path / "1_vae", {**COMMON, "task": "fuse_vae"}, data)
    extract_latents.main(["--vae", str(vae), str(data[0]), str(tmp_path / "out"), "--compression", "none", "--nj", "1"])
    encoder = load_latents(str(vae))
    mixture, reference = (EmbeddingReader(tmp_path / "out", stream, encoder) for stream in ("mix", "ref1"))
    import soundfile

    name = next(iter(mixture))
    paths = [
        dict(line.split() for line in (data[0] / scp).read_text().splitlines())[name] for scp in ("wav.scp", "spk1.scp")
    ]
    noisy, clean = (torch.from_numpy(soundfile.read(path, dtype="float32")[0]) for path in paths)
    assert mixture[name].shape == (encoder.num_frames(len(noisy)), encoder.dim) == (63, 512)
    for stored, speech in ((mixture[name], noisy), (reference[name], clean)):
        window = encoder.model.spectrogram(speech[None] / noisy.abs().max())[..., :32]
        expected = encoder.model.vae.encode(window)[0].flatten(0, 1).T
        assert np.allclose(stored[:12], expected[:12], atol=1e-4)  # of the first window alone
    for wrong, text in (
        (tmp_path / "x.pth", "config.yaml: no such file; was the step 1_vae trained"),
        (vae.parent / "none.pth", "no such checkpoint"),
    ):
        with pytest.raises(UserError, match=text):
            load_latents(str(wrong))


def test_features_of_another_model_are_refused(data, codec, tmp_path):
    other = str(save_mdct(tmp_path / "other", seed=5))
    out = tuple(tmp_path / "emb" / each.name for each in data)
    for each, target in zip(data, out):
        extract_latents.main(["--guidance", f"codec:{other}", str(each), str(target), "--nj", "1"])
    configuration = {"task": "fuse", "codec": codec, "guidance_conf": {"kind": "codec"}, "batch_size": 1}
    with pytest.raises(UserError, match="the embeddings come from codec"):
        training_data(configuration, data, {"guidance": out})
    # Neither step reads what it has no use for.
    for changes in ({"task": "fuse_vae"}, {"guidance_conf": {"kind": "none"}}):
        assert not any(
            "guidance" in option for option in training_data({**configuration, **changes}, data, {"guidance": out})
        )
    with pytest.raises(UserError, match="fewer than batch_size 9"):
        training_data({**configuration, "batch_size": 9}, data, {})
    (data[0] / "spk1.scp").unlink()
    with pytest.raises(UserError, match="spk1.scp: missing"):
        training_data({"task": "fuse_vae"}, data, {})


@pytest.mark.slow
def test_the_baseline(data, tmp_path, voice):
    configuration = {
        **{key: value for key, value in COMMON.items() if key not in ("vae_conf", "denoiser_conf")}, "task": "sgmse",
        "encoder": "stft", "decoder": "stft", "diffusion_model": "sgmse_average", "model_conf": {"num_spk": 1},
        "encoder_conf": {"n_fft": 510, "hop_length": 128, "spec_transform_type": "exponent"},
        "decoder_conf": {"n_fft": 510, "hop_length": 128, "spec_transform_type": "exponent"},
        "diffusion_model_conf": {
            "score_model": "ncsnpp", "sde": "ouve", "sde_conf": {},
            "score_model_conf": {"nf": 8, "ch_mult": [1, 1], "num_res_blocks": 1, "attn_resolutions": []},
        },
    }  # fmt: skip
    best = run(SGMSETask, tmp_path / "sgmse", configuration, data)
    model, training = rebuilt(SGMSETask, best)
    average = model.diffusion.average
    assert average.n_averaged == 2
    enhancer = SGMSEEnhancer.from_model(model, training, RunSettings(options={"num_steps": 1}))
    result = enhancer.enhance_batch([voice(3000)])[0]["waveform"]
    assert result.shape == (1, 3000) and np.isfinite(result).all()
    # Sampling and validation use the average, and validation is the same every time.
    spectra = [torch.randn(1, 8, 256, dtype=torch.complex64) for _ in range(2)]
    with torch.no_grad():
        loss = model.diffusion(*spectra)
        assert torch.equal(model.diffusion(*spectra), loss)
        for weight in model.diffusion.dnn.parameters():
            weight.zero_()
        assert torch.equal(model.diffusion(*spectra), loss)
        for weight in average.parameters():
            weight.zero_()
        assert not torch.equal(model.diffusion(*spectra), loss)


@pytest.mark.slow
def test_in_espnets_own_diffusion_model(voice):
    from espnet2.enh.decoder.stft_decoder import STFTDecoder
    from espnet2.enh.diffusion_enh import ESPnetDiffusionModel
    from espnet2.enh.encoder.stft_encoder import STFTEncoder

    stft = {"n_fft": 510, "hop_length": 128, "spec_transform_type": "exponent"}
    torch.manual_seed(0)
    diffusion = FuseDiffusion(None, 1, 8, vae_conf=VAE, denoiser_conf=DENOISER, window_frames=32)
    model = ESPnetDiffusionModel(STFTEncoder(**stft), diffusion, STFTDecoder(**stft))
    speech = torch.from_numpy(np.stack([voice(9000, 1), voice(9000, 2)]))
    lengths = torch.tensor([9000, 9000])
    loss, _stats, _ = model(speech, lengths, speech_ref1=speech)
    loss.backward()
    assert re.match(
        "denoiser", next(name for name, value in diffusion.model.named_parameters() if value.grad is not None)
    )
    model.eval()
    feature, _frames = model.encoder(speech, lengths)
    enhanced = model.enhance(feature)
    assert enhanced.shape == feature.shape and enhanced.is_complex()
    assert model.decoder(enhanced, lengths)[0].shape == speech.shape
