"""Building, saving and rebuilding models; what must not fit is refused."""

import argparse
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
import yaml
from tiny_codecs import save_encodec, save_mdct

from espnet_codecse.codec import load_codec
from espnet_codecse.embedding.extract import extract
from espnet_codecse.errors import UserError
from espnet_codecse.level import LevelRule
from espnet_codecse.preprocess.paired_crop import PairedCrop
from espnet_codecse.task.enhancement import EmbeddingEnhancementTask, training_data
from espnet_codecse.task.loading import load_trained_model
from espnet_codecse.task.register import _add

SEPARATOR = {"width": 16, "num_layers": 1, "num_heads": 2, "ffn_width": 16, "normalize": "none"}
LOSS = [{"name": "embedding_mse", "conf": {}, "wrapper": "fixed_order", "wrapper_conf": {"weight": 1.0}}]


@pytest.fixture(scope="module")
def codec_folder(tmp_path_factory):
    return str(save_mdct(tmp_path_factory.mktemp("codec") / "tiny"))


def options(codec, separator=SEPARATOR, **changes):
    given = {
        "encoder": "codec",
        "encoder_conf": {"codec": codec},
        "decoder": "codec",
        "decoder_conf": {"codec": codec},
        "separator": "nac_se",
        "separator_conf": dict(separator),
        "criterions": LOSS,
        "model_conf": {},
        "crop_seconds": None,
    }
    return argparse.Namespace(**{**given, **changes})


@pytest.fixture
def experiment(codec_folder, tmp_path):
    """An experiment folder: config.yaml and model.pth."""
    args = options(codec_folder)
    model = EmbeddingEnhancementTask.build_model(args)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(vars(args)))
    torch.save(model.state_dict(), tmp_path / "model.pth")
    return tmp_path


def load(experiment, **changes):
    return load_trained_model(experiment / "config.yaml", experiment / "model.pth", **changes)


def refused(experiment, **changes) -> str:
    with pytest.raises(UserError) as caught:
        load(experiment, **changes)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.slow
def test_gate_takes_the_codecs_activation(codec_folder, tmp_path):
    assert EmbeddingEnhancementTask.build_model(options(codec_folder)).separator.activation == "snake"
    encodec = str(save_encodec(tmp_path / "encodec"))
    args = options(encodec)
    assert EmbeddingEnhancementTask.build_model(args).separator.activation == "elu"
    assert args.separator_conf["activation"] == "elu"  # kept in the experiment's config.yaml
    with pytest.raises(UserError, match="is 'snake', but the encoder of .* ends in 'elu'; leave it at 'auto'"):
        EmbeddingEnhancementTask.build_model(options(encodec, {**SEPARATOR, "activation": "snake"}))


def test_statistics_go_into_the_model_and_its_checkpoint(codec_folder, tmp_path):
    stats = tmp_path / "stats.npz"
    values = {"mean": np.full(32, 2.0, np.float32), "std": np.full(32, 4.0, np.float32)}
    np.savez(stats, **values, fingerprint=load_codec(codec_folder).fingerprint)
    args = options(codec_folder, {**SEPARATOR, "normalize": "global"}, embedding_stats=str(stats))
    model = EmbeddingEnhancementTask.build_model(args)
    assert torch.equal(model.separator.normalization(torch.full((1, 1, 32), 10.0))[0], torch.full((1, 1, 32), 2.0))
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(vars(args)))
    torch.save(model.state_dict(), tmp_path / "model.pth")
    np.savez(stats, **values, fingerprint="0" * 16)
    with pytest.raises(UserError, match="stats.npz: made with the codec 0000000000000000, but"):
        EmbeddingEnhancementTask.build_model(options(codec_folder, embedding_stats=str(stats)))
    stats.unlink()
    with pytest.raises(UserError, match="stats.npz: no such file; run stage 4"):
        EmbeddingEnhancementTask.build_model(options(codec_folder, embedding_stats=str(stats)))
    # The checkpoint holds them.
    assert load(tmp_path)[0].separator.normalization.mean.tolist() == [2.0] * 32


def test_crop_only_where_asked(codec_folder):
    args = options(
        codec_folder,
        crop_seconds=0.5,
        **dict.fromkeys(("speech_volume_normalize", "rir_scp", "noise_scp")),
        preprocessor="enh",
        preprocessor_conf={},
    )
    assert isinstance(EmbeddingEnhancementTask.build_preprocess_fn(_full(args), True), PairedCrop)
    assert not isinstance(EmbeddingEnhancementTask.build_preprocess_fn(_full(options(codec_folder)), True), PairedCrop)


def _full(args):
    defaults = vars(EmbeddingEnhancementTask.get_parser().parse_args(["--output_dir", "x"]))
    return argparse.Namespace(**{**defaults, **{k: v for k, v in vars(args).items() if v is not None}})


def test_rebuilding(experiment, codec_folder):
    model, args = load(experiment)
    assert not model.training and args.encoder_conf["fingerprint"]
    saved = torch.load(experiment / "model.pth")
    assert all(torch.equal(saved[key], value) for key, value in model.state_dict().items())


def test_same_codec_elsewhere_and_another_one(experiment, tmp_path):
    moved = str(save_mdct(tmp_path / "moved"))
    model, args = load(experiment, codec=moved)
    assert args.decoder_conf["codec"] == model.encoder.codec_name == moved
    other = str(save_mdct(tmp_path / "other", seed=1))
    message = refused(experiment, codec=other)
    assert args.encoder_conf["fingerprint"] in message
    assert EmbeddingEnhancementTask.build_model(options(other)).encoder.codec("cpu").fingerprint in message


def test_weights_that_do_not_fit_are_named(experiment):
    state = torch.load(experiment / "model.pth")
    first = sorted(state)[0]
    cases = {
        f"missing: {first} (1)": {key: value for key, value in state.items() if key != first},
        "unexpected: surplus (1)": {**state, "surplus": torch.zeros(1)},
        f"of another shape: {first} (1)": {**state, first: torch.zeros(3, 1, 4)},
    }
    for text, changed in cases.items():
        torch.save(changed, experiment / "model.pth")
        assert text in refused(experiment)


class Exploit:
    """Its unpickling would leave a trace."""

    def __init__(self, trace):
        self.trace = str(trace)

    def __reduce__(self):
        return os.mkdir, (self.trace,)


def test_checkpoints_are_never_run_as_code(experiment):
    torch.save({"x": Exploit(experiment / "trace")}, experiment / "model.pth")
    assert "not a plain checkpoint" in refused(experiment)
    assert not (experiment / "trace").exists()


def test_damaged_and_missing_files(experiment):
    content = (experiment / "model.pth").read_bytes()
    (experiment / "model.pth").write_bytes(content[: len(content) // 2])
    assert "model.pth: not a plain checkpoint" in refused(experiment)
    torch.save([1, 2], experiment / "model.pth")
    assert "model.pth" in refused(experiment)
    (experiment / "model.pth").unlink()
    assert "no such checkpoint" in refused(experiment)
    for content in ("", "a: [", "- 1\n", "encoder: stft\n"):
        (experiment / "config.yaml").write_text(content)
        message = refused(experiment)
        assert f"{experiment}/config.yaml: " in message and "not the configuration of a training" in message
    (experiment / "config.yaml").unlink()
    assert "train the step first" in refused(experiment)


def test_names_are_registered_once():
    from espnet2.tasks import enh

    assert {"nac_se"} <= set(enh.separator_choices.classes)
    with pytest.raises(ValueError, match="choice 'nac_se' is already"):
        _add(enh.separator_choices, "nac_se", dict)


@pytest.mark.slow
def test_inference_does_without_espnets_task(experiment):
    # Importing it takes longer than enhancing an hour.
    code = (
        "import sys; from pathlib import Path; from espnet_codecse.task.loading import load_trained_model as load; "
        "folder = Path(sys.argv[1]); model, _ = load(folder / 'config.yaml', folder / 'model.pth'); "
        "assert model.separator.num_spk == 1; assert not any(m.startswith('espnet2.tasks') for m in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(experiment)], check=True)


def test_speed_is_changed_of_waveforms_only(codec_folder):
    args = options(codec_folder, speed_perturb=[80], equalize_db=0.0, band_limit_prob=0.0, preprocessor=None)
    args.train_data_path_and_name_and_type = [("spk1.scp", "speech_ref1", "sound")]
    args.valid_data_path_and_name_and_type = []
    perturb = EmbeddingEnhancementTask.build_preprocess_fn(args, True)
    speech = np.random.default_rng(0).standard_normal(4000).astype(np.float32)
    data = {"speech_mix": speech, "speech_ref1": speech}
    assert np.allclose(perturb("utterance", data)["speech_ref1"], perturb("utterance", data)["speech_mix"], atol=1e-6)
    assert not np.allclose(perturb("utterance", data)["speech_ref1"], speech, atol=1e-2)


@pytest.mark.parametrize("option, value", [("speed_perturb", [95]), ("equalize_db", 2.0), ("band_limit_prob", 0.1)])
def test_stored_embeddings_keep_speed_and_colour(codec_folder, option, value):
    unchanged = {"speed_perturb": [], "equalize_db": 0.0, "band_limit_prob": 0.0}
    args = options(codec_folder, **{**unchanged, option: value}, preprocessor=None)
    args.train_data_path_and_name_and_type = [("emb_mix.scp", "speech_mix", "kaldi_ark")]
    with pytest.raises(UserError, match=f"--{option}: stored embeddings can be neither resampled nor filtered"):
        EmbeddingEnhancementTask.build_preprocess_fn(args, True)


def test_training_segments_are_coloured_and_validation_is_not(codec_folder):
    args = options(codec_folder, speed_perturb=[], equalize_db=6.0, band_limit_prob=0.0, preprocessor=None)
    args.train_data_path_and_name_and_type = [("spk1.scp", "speech_ref1", "sound")]
    args.valid_data_path_and_name_and_type = []
    speech = np.random.default_rng(0).standard_normal(4000).astype(np.float32)
    data = {"speech_mix": speech, "speech_ref1": speech}
    coloured = EmbeddingEnhancementTask.build_preprocess_fn(args, True)("utterance", data)
    assert np.array_equal(coloured["speech_mix"], coloured["speech_ref1"])
    assert not np.allclose(coloured["speech_mix"], speech, atol=0.1)
    assert EmbeddingEnhancementTask.build_preprocess_fn(args, False)("utterance", data) == data


def test_training_and_validation_are_scaled_before_they_are_cut(codec_folder):
    args = options(codec_folder, speed_perturb=[80, 120], equalize_db=0.0, band_limit_prob=0.0, preprocessor=None)
    args.train_data_path_and_name_and_type = args.valid_data_path_and_name_and_type = []
    speech = 0.1 * np.random.default_rng(0).standard_normal((2, 8000)).astype(np.float32)
    speech[:, 100] = 2.0
    data = {"speech_mix": speech.sum(0), "speech_ref1": speech[0], "speech_ref2": speech[1]}
    for model_conf, mixture, reference in (
        ({"peak": 0.9, "reference_peak": None}, 0.9, None),
        ({"peak": 1.0, "reference_peak": 1.0}, 1.0, 1.0),
        ({"peak": 0.9}, None, None),  # an earlier configuration
    ):
        args.model_conf = model_conf
        for train in (True, False):
            levelled = EmbeddingEnhancementTask.build_preprocess_fn(args, train)("a", data)
            total = levelled["speech_ref1"] + levelled["speech_ref2"]
            assert mixture is None or np.abs(levelled["speech_mix"]).max() == pytest.approx(mixture)
            assert np.allclose(total, levelled["speech_mix"], atol=1e-4) == (reference is None)
            assert reference is None or np.abs(levelled["speech_ref2"]).max() == pytest.approx(reference)
    args.model_conf, args.crop_seconds, args.speed_perturb = {"peak": 1.0, "reference_peak": 1.0}, 0.02, []
    cut = EmbeddingEnhancementTask.build_preprocess_fn(args, True)
    assert min(np.abs(cut("a", data)["speech_mix"]).max() for _ in range(9)) < 0.5  # the peak lies outside


def test_stored_embeddings_of_another_level_are_refused(codec_folder, make_data_dir, tmp_path):
    data, folder = make_data_dir(), tmp_path / "emb"
    extract(codec_folder, data, folder, levels=LevelRule(1.0, 1.0))
    configuration = vars(options(codec_folder, model_conf={"peak": 1.0, "reference_peak": 1.0}))
    folders = {"embeddings": (folder, folder)}
    assert training_data(configuration, (data, data), folders)
    for model_conf in ({}, {"peak": 0.9}, {"peak": 0.9, "reference_peak": None}, {"peak": 1.0, "reference_peak": 0.5}):
        with pytest.raises(UserError, match="made with another level than the training needs"):
            training_data({**configuration, "model_conf": model_conf}, (data, data), folders)
    unchanged = {"speed_perturb": [], "equalize_db": 0.0, "band_limit_prob": 0.0, "preprocessor": None}
    args = options(codec_folder, model_conf={}, **unchanged)
    args.train_data_path_and_name_and_type = [(str(folder / "emb_mix.scp"), "speech_mix", "kaldi_ark")]
    args.valid_data_path_and_name_and_type = []
    with pytest.raises(UserError, match="made with another level"):
        EmbeddingEnhancementTask.build_preprocess_fn(args, True)
    configuration["model_conf"] = {"peak": 1.0, "reference_peak": None}
    extract(codec_folder, data, tmp_path / "mixture_level", levels=LevelRule(1.0))
    configuration["criterions"] = [{**LOSS[0], "name": "snr"}]
    with pytest.raises(UserError, match="snr compares levels, .* train with --embedding_source on_the_fly"):
        training_data(configuration, (data, data), {"embeddings": (tmp_path / "mixture_level",) * 2})


@pytest.mark.parametrize("peak", [0, -1, 2.0, "loud"])
def test_a_peak_out_of_range_is_refused(experiment, peak):
    config = experiment / "config.yaml"
    content = yaml.safe_load(config.read_text())
    config.write_text(yaml.safe_dump({**content, "model_conf": {"peak": peak}}))
    assert "no model can be built" in refused(experiment)
    config.write_text(yaml.safe_dump({**content, "model_conf": {"peak": 1.0, "reference_peak": peak}}))
    assert "no model can be built" in refused(experiment)
