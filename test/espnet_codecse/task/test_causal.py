"""The study of self-supervised features through ESPnet's trainer: every variant learns and enhances."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import yaml
from tiny_codecs import save_mdct
from tiny_features import save_beats, save_wav2vec2
from tiny_models import save_causal_experiment

from espnet_codecse.bin.config import TEMPLATE
from espnet_codecse.bin.main import main
from espnet_codecse.errors import UserError
from espnet_codecse.features.models import _load
from espnet_codecse.fileio import read_scp
from espnet_codecse.task.loading import load_trained_model
from espnet_codecse.zoo.load import load_enhancer

VARIANTS = [
    None,
    "condition_student",
    "condition_noisy",
    "condition_clean",
    "distill_clean",
    "distill_noisy",
    "distill_decode",
]
TINY = {
    "separator_conf": {"channels": [2, 2, 4, 4, 4]},
    "teacher_conf": {"kind": "codec", "model": None},
    "crop_seconds": 0.5,
    "model_conf": {"bounded": True},
    "batch_size": 2,
    "num_workers": 0,
    "max_epoch": 1,
}


@pytest.fixture(scope="module")
def codec(tmp_path_factory):
    return str(save_mdct(tmp_path_factory.mktemp("codec") / "tiny"))


@pytest.fixture
def trained(make_data_dir, tmp_path, codec):
    """A function that trains a step and returns its folder."""
    data = make_data_dir("train", 3), make_data_dir("valid", 2)
    for folder in data:
        (folder / "utt2num_samples").write_text("".join(f"{name} 16000\n" for name in read_scp(folder / "wav.scp")))

    def train(system: str, step: str, variant=None, *options: str) -> Path:
        recipe = tmp_path / "conf" / system
        recipe.mkdir(parents=True, exist_ok=True)
        (recipe / f"{step}.yaml").write_text(yaml.safe_dump(TINY))
        folder = tmp_path / "exp" / step
        config = tmp_path / f"{step}.yaml"
        arguments = ["--system", system, "--step", step, "--codec", codec, "--recipe_conf", str(tmp_path / "conf")]
        assert main(["config", *arguments, *(["--variant", variant] if variant else []), "--output", str(config)]) == 0
        arguments = ["--config", str(config), "--output_dir", str(folder)]
        assert main(["train", *arguments, "--train_dir", str(data[0]), "--valid_dir", str(data[1]), *options]) == 0
        return folder

    train.data = data
    return train


def enhanced(folder: Path, data: Path, output: Path, *options: str) -> np.ndarray:
    arguments = ["--train_config", f"{folder}/config.yaml", "--model_file", f"{folder}/valid.loss.best.pth"]
    arguments += [
        "--layers",
        "waveform",
        "--output_dir",
        str(output),
        "--num_threads",
        "1",
        *options,
        f"{data}/wav.scp",
    ]
    assert main(["infer", *arguments]) == 0 and main(["infer", *arguments, "--collect"]) == 0
    outputs = read_scp(output / "spk1.scp")
    assert set(outputs) == set(read_scp(data / "wav.scp"))
    return np.concatenate([soundfile.read(path)[0] for path in outputs.values()])


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant(trained, tmp_path, variant, capsys):
    folder = trained("ssl_gcrn", "1_enhance", variant)
    data = trained.data[1]
    if variant == "condition_clean":
        arguments = ["--train_config", f"{folder}/config.yaml", "--model_file", f"{folder}/valid.loss.best.pth"]
        arguments += ["--layers", "waveform", "--output_dir", f"{tmp_path}/none", f"{data}/wav.scp"]
        assert main(["infer", *arguments]) == 1 and "--reference_scp: missing" in capsys.readouterr().err
    output = enhanced(folder, data, tmp_path / "out", "--reference_scp", f"{data}/spk1.scp")
    assert output.shape == (32000,) and np.isfinite(output).all()


@pytest.mark.slow
def test_a_teacher_of_transformers(trained, tmp_path):
    source = save_wav2vec2(tmp_path / "w2v")
    teacher = {"kind": "transformers", "model": source.partition(":")[2]}
    options = [f"--teacher_conf={key}={value}" for key, value in teacher.items()]
    folder = trained("ssl_gcrn", "1_enhance", "condition_noisy", *options)
    saved = yaml.safe_load((folder / "config.yaml").read_text())
    assert saved["separator_conf"]["embedding_size"] == 16 and len(saved["teacher_conf"]["fingerprint"]) == 16
    assert np.isfinite(enhanced(folder, trained.data[1], tmp_path / "out")).all()
    save_wav2vec2(tmp_path / "w2v", seed=1)
    _load.cache_clear()
    with pytest.raises(UserError, match="the model was trained with"):
        load_enhancer(str(folder))


@pytest.mark.slow
def test_a_pretrained_predictor_is_fine_tuned(trained, tmp_path):
    first = trained("ssl_gcrn_pretrained", "1_predict")
    second = trained("ssl_gcrn_pretrained", "2_enhance", None, "--init_param", f"{first}/valid.loss.best.pth")
    assert np.isfinite(enhanced(second, trained.data[1], tmp_path / "out")).all()
    log = (second / "train.log").read_text() if (second / "train.log").is_file() else ""
    assert "skips" not in log


@pytest.mark.slow
def test_stored_features_as_on_the_fly(trained, tmp_path, codec):
    """The same seed and data, and recordings taken whole: a teacher hears the ends of a segment otherwise."""
    features = f"{tmp_path}/emb"
    losses = []
    for command in (
        [],
        ["extract", "--codec", codec],
        ["extract_latents", "--guidance", f"codec:{codec}", "--references"],
    ):
        options = []
        if command:
            for name, data in zip(("train", "valid"), trained.data):
                stored = f"{features}_{command[0]}/{name}"
                assert main([*command, "--compression", "none", "--nj", "1", str(data), stored]) == 0
            options = ["--folder", f"features={features}_{command[0]}/train,{features}_{command[0]}/valid"]
        folder = tmp_path / "exp" / "_".join(["features", *command[:1]])
        options += ["--crop_seconds", "2", "--output_dir", str(folder)]
        trained("ssl_gcrn", "1_enhance", "distill_clean", *options)
        losses.append(_valid_loss(folder))
    assert losses[1:] == pytest.approx([losses[0]] * 2, rel=1e-4)


def _valid_loss(folder: Path) -> float:
    import torch

    state = torch.load(folder / "checkpoint.pth", weights_only=False)
    return float(state["reporter"]["stats"][1]["valid"]["distillation_loss"])


@pytest.mark.slow
def test_a_stream_and_a_graph_give_what_a_folder_gives(trained, tmp_path, capsys):
    folder = trained("ssl_gcrn", "1_enhance", "condition_student")
    name, recording = next(iter(read_scp(trained.data[1] / "wav.scp").items()))
    enhanced(folder, trained.data[1], tmp_path / "out")
    expected = soundfile.read(read_scp(tmp_path / "out/spk1.scp")[name])[0]
    for model in (str(folder), f"{tmp_path}/model.onnx"):
        if model.endswith(".onnx"):
            pytest.importorskip("onnxscript")
            assert main(["export_onnx", str(folder), "--output", model]) == 0
        output = tmp_path / "streamed.wav"
        assert main(["stream", recording, str(output), "--model", model, "--chunk", "77", "--report"]) == 0
        np.testing.assert_allclose(soundfile.read(output)[0], expected, atol=1e-4)
        messages = capsys.readouterr().err
        assert "algorithmic latency: 400 samples, 25 ms" in messages and "p99" in messages
    assert TEMPLATE.is_dir()


@pytest.mark.slow
def test_checkpoints_with_a_predictor_that_was_never_used(tmp_path):
    folder = save_causal_experiment(tmp_path / "given", beats=save_beats(tmp_path / "beats.pt"))
    config, checkpoint = folder / "config.yaml", folder / "valid.loss.best.pth"
    weights = torch.load(checkpoint)
    assert not any("predictor" in name for name in weights)
    old = {
        "separator.network.predictor.0.weight": torch.zeros(16, 28),
        "separator.network.predictor.0.bias": torch.zeros(16),
    }
    torch.save({**weights, **old}, checkpoint)
    model, _ = load_trained_model(config, checkpoint)
    assert model.separator.network.predictor is None
    torch.save({**weights, "separator.network.another": torch.zeros(1)}, checkpoint)
    with pytest.raises(UserError, match="unexpected: separator.network.another"):
        load_trained_model(config, checkpoint)
