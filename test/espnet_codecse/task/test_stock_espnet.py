"""After ``import espnet_codecse``, ESPnet's own task, trainer and inference know our classes, and we know ESPnet's."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import yaml
from tiny_codecs import save_mdct

from espnet_codecse.checkpoint import load_checkpoint
from espnet_codecse.fileio import read_scp

NAC_SE = {"width": 16, "num_layers": 1, "num_heads": 2, "ffn_width": 16, "normalize": "utterance"}
SEPARATORS = {
    "nac_se": NAC_SE,
    "rnn": {"layer": 1, "unit": 8, "nonlinear": "sigmoid"},
    "tcn": {"layer": 2, "stack": 1, "bottleneck_dim": 8, "hidden_dim": 8},
    "conformer": {"adim": 8, "aheads": 2, "layers": 1, "linear_units": 8},
    "dprnn": {"layer": 1, "unit": 8, "segment_size": 4},
}

ROOT = Path(__file__).resolve().parents[3]

# ESPnet's entry point, called as a user's script would; no class of ours is named in Python.
TRAIN = """
import espnet_codecse
from espnet2.bin.enh_train import main
main()
"""


@pytest.fixture(scope="module")
def codec(tmp_path_factory):
    return str(save_mdct(tmp_path_factory.mktemp("codec") / "tiny"))


@pytest.fixture
def config(codec, tmp_path):
    """Return a function that writes ESPnet's yaml of a two-speaker separation with SI-SNR and PIT."""

    def make(separator: str) -> str:
        content = {
            "encoder": "codec", "encoder_conf": {"codec": codec},
            "separator": separator, "separator_conf": {"num_spk": 2, **SEPARATORS[separator]},
            "decoder": "codec", "decoder_conf": {"codec": codec},
            "criterions": [
                {"name": "si_snr", "conf": {}, "wrapper": "pit", "wrapper_conf": {"weight": 1.0}}
            ],
            "optim": "adam", "optim_conf": {"lr": 0.001}, "max_epoch": 1, "num_iters_per_epoch": 2,
            "batch_type": "unsorted", "batch_size": 2, "num_workers": 0, "num_spk": 2, "use_tensorboard": False,
            "keep_nbest_models": 1, "best_model_criterion": [["valid", "loss", "min"]], "use_matplotlib": False,
        }  # fmt: skip
        path = tmp_path / f"{separator}.yaml"
        path.write_text(yaml.safe_dump(content))
        return str(path)

    return make


@pytest.fixture
def data(make_data_dir, tmp_path):
    """ESPnet's options for four mixtures of one second with two references."""
    folder = make_data_dir("data", 4)
    options = []
    for part in ("train", "valid"):
        for file, name in (("wav.scp", "speech_mix"), ("spk1.scp", "speech_ref1"), ("wav.scp", "speech_ref2")):
            options += [f"--{part}_data_path_and_name_and_type", f"{folder / file},{name},sound"]
        (tmp_path / "shape").write_text("".join(f"{name} 16000\n" for name in read_scp(folder / "wav.scp")))
        options += [f"--{part}_shape_file", str(tmp_path / "shape")]
    return options


def steps_taken(output) -> int:
    """Steps of the optimiser that a training's checkpoint tells of."""
    states = load_checkpoint(output / "checkpoint.pth")["optimizers"][0]["state"]
    return int(states[0]["step"])


@pytest.mark.slow
def test_espnets_own_entry_point_trains_and_enhances(config, data, tmp_path, voice):
    """Two real steps by ``espnet2.bin.enh_train`` in a fresh process, then ``SeparateSpeech``."""
    output = tmp_path / "exp"
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", TRAIN, "--config", config("nac_se"), "--output_dir", str(output),
         "--ngpu", "0", *data],
        env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-3000:]
    assert steps_taken(output) == 2
    from espnet2.bin.enh_inference import SeparateSpeech

    separate = SeparateSpeech(output / "config.yaml", output / "valid.loss.best.pth")
    noisy = np.stack([voice(8001, 1), voice(8001, 2)])
    outputs = separate(noisy, fs=16000)
    assert len(outputs) == 2 and all(speech.shape == noisy.shape and np.isfinite(speech).all() for speech in outputs)
    assert type(separate.enh_model.encoder).__name__ == "CodecEncoder"


@pytest.mark.slow
@pytest.mark.parametrize("separator", [name for name in SEPARATORS if name != "nac_se"])
@pytest.mark.parametrize("ours", [False, True], ids=["stock", "ours"])
def test_espnets_separators_train_on_codec_embeddings(config, data, tmp_path, separator, ours, voice):
    """Two steps each, by ESPnet's task and by ours, then ESPnet's inference."""
    import espnet2.tasks.enh

    from espnet_codecse.task.enhancement import EmbeddingEnhancementTask

    task = EmbeddingEnhancementTask if ours else espnet2.tasks.enh.EnhancementTask
    output = tmp_path / "exp"
    task.main(cmd=["--config", config(separator), "--output_dir", str(output), "--ngpu", "0", *data])
    trained = torch.load(output / "1epoch.pth", weights_only=True)
    assert trained and all(name.startswith("separator.") for name in trained)  # the frozen codec is not in it
    assert all(torch.isfinite(value).all() for value in trained.values())
    assert steps_taken(output) == 2
    from espnet2.bin.enh_inference import SeparateSpeech

    outputs = SeparateSpeech(output / "config.yaml", output / "valid.loss.best.pth")(voice(8001, 1)[None], fs=16000)
    assert len(outputs) == 2 and all(np.isfinite(speech).all() and speech.shape == (1, 8001) for speech in outputs)


@pytest.mark.slow
def test_a_system_with_espnets_separator_is_packed_and_enhances(config, data, tmp_path, voice):
    from espnet_codecse import SpeechEnhancer
    from espnet_codecse.bin.main import main
    from espnet_codecse.task.enhancement import EmbeddingEnhancementTask

    output = tmp_path / "exp/tcn/1_separate"
    EmbeddingEnhancementTask.main(cmd=["--config", config("tcn"), "--output_dir", str(output), "--ngpu", "0", *data])
    assert main(["pack", str(tmp_path / "exp/tcn"), "--output", str(tmp_path / "tcn.zip")]) == 0
    outputs = SpeechEnhancer.from_pretrained(tmp_path / "tcn.zip")(voice(8001, 1)[None])
    assert len(outputs) == 2 and outputs[0].shape == (1, 8001)


def test_espnets_command_line_runs_a_pack_after_the_import(tmp_path, voice):
    """ESPnet 202611's ``espnet enhance``; it has no plug-ins, so that the package has to be imported before."""
    pytest.importorskip("espnet2.bin.cli", reason="ESPnet 202511 has no command line")
    from espnet_codecse.bin.main import main
    from espnet_codecse.codec.resolve import PRETRAINED

    pack = shutil.make_archive(str(tmp_path / "nac_se"), "zip", PRETRAINED / "nac_se")
    soundfile.write(tmp_path / "noisy.wav", voice(16000, 1), 16000)
    code = "import espnet_codecse, sys; from espnet2.bin.cli import main; sys.exit(main())"
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, "enhance", str(tmp_path / "noisy.wav"), "-o",
         str(tmp_path / "stock.wav"), "--model", pack, "--device", "cpu"],
        env={**os.environ, "OMP_NUM_THREADS": "1", "HOME": str(tmp_path)}, capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-3000:]
    arguments = [str(tmp_path / "noisy.wav"), "-o", str(tmp_path / "ours"), "--dtype", "float32", "--device", "cpu"]
    assert main(["enhance", *arguments]) == 0
    stock, ours = soundfile.read(tmp_path / "stock.wav")[0], soundfile.read(tmp_path / "ours/noisy.wav")[0]
    assert np.abs(stock - ours).max() < 1e-4 < np.abs(ours).max()  # both are of 16 bits


def test_importing_the_package_imports_nothing_heavy():
    code = (
        "import sys; before = set(sys.modules); import espnet_codecse;"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before};"
        # Reading the metadata of installed packages takes longer than all the rest.
        "print(sorted(new - sys.stdlib_module_names), 'importlib.metadata' in sys.modules);"
        "import importlib; importlib.reload(espnet_codecse);"
        "print(sum(type(f).__name__ == '_TaskFinder' for f in sys.meta_path))"
    )
    run = subprocess.run([sys.executable, "-S", "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.split("\n")[:2] == ["['espnet_codecse'] False", "1"]


def test_tasks_imported_before_are_told_at_once():
    import importlib

    from espnet2.tasks import enh, gan_codec

    import espnet_codecse

    for choices, name in ((enh.separator_choices, "nac_se"), (gan_codec.codec_choices, "mdct")):
        removed = choices.classes.pop(name)
        importlib.reload(espnet_codecse)
        assert choices.classes[name] is removed


def test_the_loader_still_gives_sources():
    import inspect

    from espnet2.tasks import enh

    assert "class EnhancementTask" in inspect.getsource(enh)
    assert {"codec"} <= set(enh.encoder_choices.classes) & set(enh.decoder_choices.classes)
