"""What a pack holds and what it leaves out; the model zoo's own downloader takes it."""

import io
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import yaml
from tiny_codecs import save_codec
from tiny_models import save_causal_experiment, save_encoder_experiment, save_experiment
from zoo_packs import STEP, read_members

from espnet_codecse.bin.main import main
from espnet_codecse.codec import load_codec
from espnet_codecse.codec.resolve import forget_codecs
from espnet_codecse.zoo.find import find_model
from espnet_codecse.zoo.load import load_enhancer
from espnet_codecse.zoo.manifest import MANIFEST
from espnet_codecse.zoo.pack import PackOptions, pack_model


def test_layout(pack, codec_folder):
    members = read_members(pack)
    meta = yaml.safe_load(members["meta.yaml"])
    assert meta["yaml_files"] == {"train_config": f"{STEP}/config.yaml"}
    assert meta["files"] == {"model_file": f"{STEP}/valid.loss.best.pth"}
    assert {"timestamp", "python", "torch", "espnet"} <= set(meta)
    manifest = yaml.safe_load(members[MANIFEST])
    assert set(manifest["files"]) == set(members) - {MANIFEST}
    assert manifest["codec"]["weights"] == "packed_codec/tiny"
    assert {"packed_codec/tiny/config.yaml", "packed_codec/tiny/model.safetensors"} <= set(members)
    assert manifest["codec"]["fingerprint"] == load_enhancer(str(pack)).codec.fingerprint
    assert (manifest["codec"]["sample_rate"], manifest["codec"]["hop"], manifest["codec"]["dim"]) == (16000, 320, 32)
    assert manifest["figures"] == {"enhanced": {"PESQ": 2.0, "SI_SDR": 11.0}}
    assert manifest["license"] == "apache-2.0" and manifest["layer"] == "continuous"


def test_nothing_of_the_machine_and_only_the_weights(pack, experiment, codec_folder):
    members = read_members(pack)
    for name, content in members.items():
        if not name.endswith((".pth", ".safetensors")):
            for path in (str(experiment.parents[1]), codec_folder, "/somewhere/else.pth", str(Path.cwd())):
                assert path not in content.decode(), name
    config = yaml.safe_load(members[f"{STEP}/config.yaml"])
    assert config["train_data_path_and_name_and_type"] == [] and config["noise_scp"] is None
    assert config["max_epoch"] == 3  # how it was trained stays
    state = torch.load(io.BytesIO(members[f"{STEP}/valid.loss.best.pth"]), weights_only=True)
    assert "separator.normalization.mean" in state and all(torch.is_tensor(value) for value in state.values())


def test_the_same_model_gives_the_same_bytes(experiment, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        pack_model(find_model(str(experiment)), tmp_path / name / "m.zip", PackOptions())
    assert (tmp_path / "a/m.zip").read_bytes() == (tmp_path / "b/m.zip").read_bytes()


@pytest.mark.slow
def test_a_codec_that_only_training_used_stays_out(tmp_path, voice):
    codec = save_codec(tmp_path / "tiny", "mdct")
    model = find_model(str(save_causal_experiment(tmp_path / "model", distilled_from=str(codec))))
    pack_model(model, tmp_path / "m.zip", PackOptions())
    members = read_members(tmp_path / "m.zip")
    assert yaml.safe_load(members[MANIFEST])["codec"] is None and not any("codec/" in name for name in members)
    shutil.rmtree(codec)
    for name in (str(tmp_path / "m.zip"), str(tmp_path / "model")):
        enhanced = load_enhancer(name).enhance_batch([voice(4000)])[0]["waveform"]
        assert enhanced.shape == (1, 4000) and enhanced.any()


@pytest.mark.slow
@pytest.mark.parametrize(
    "save, network",
    [(save_experiment, "nac_se"), (save_encoder_experiment, "denoising_codec")],
    ids=["separator", "encoder"],
)
def test_lyra_is_named_and_not_carried(tmp_path, monkeypatch, save, network):
    lyra = save_codec(tmp_path / "model_coeffs", "lyra")
    model = find_model(str(save(tmp_path / "model", str(lyra))))
    lines = pack_model(model, tmp_path / "m.zip", PackOptions(codec=str(lyra)))
    assert any(f"M parameters of {network}," in line for line in lines)
    members = read_members(tmp_path / "m.zip")
    assert f"| network | `{network}`, ".encode() in members["README.md"]
    assert yaml.safe_load(members[MANIFEST])["codec"]["name"] == "lyra_v2"
    assert not [name for name in members if name.endswith(".tflite")]
    monkeypatch.setenv("CODECSE_LYRA", str(lyra))
    forget_codecs()
    packed, own = load_enhancer(str(tmp_path / "m.zip")), load_enhancer(str(tmp_path / "model"), codec=str(lyra))
    assert packed.codec.name == "lyra_v2"
    noise = 0.1 * np.random.default_rng(0).standard_normal(3200).astype(np.float32)
    results = [enhancer.enhance_batch([noise])[0]["continuous"] for enhancer in (packed, own)]
    np.testing.assert_allclose(*results, atol=1e-6)
    forget_codecs()


def test_card(pack):
    card = read_members(pack)["README.md"].decode()
    header = yaml.safe_load(card.split("---\n")[1])
    assert header["tags"][:3] == ["espnet", "audio", "audio-to-audio"]
    assert header["license"] == "apache-2.0" and header["datasets"] == ["made up"]
    assert header["metrics"] == ["si-sdr", "pesq"] and header["library_name"]
    assert "| enhanced | 11.000 | 2.000 |" in card


@pytest.mark.parametrize("num_spk", [1, 2])
def test_the_example_in_the_card_runs(num_spk, codec_folder, voice, tmp_path, monkeypatch):
    model = find_model(str(save_experiment(tmp_path / "model", codec_folder, num_spk=num_spk)))
    pack_model(model, tmp_path / "m.zip", PackOptions())
    monkeypatch.chdir(tmp_path)
    soundfile.write("noisy.wav", voice(4000), 16000)
    names: dict = {}
    exec(re.search("```python\n(.*?)```", read_members(Path("m.zip"))["README.md"].decode(), re.DOTALL).group(1), names)
    speech = [names[name] for name in (["speech"] if num_spk == 1 else ["speech1", "speech2"])]
    assert [part.shape for part in speech] == [(4000,)] * num_spk


DOWNLOADER = """
import sys
import numpy as np
import espnet_codecse
from espnet_model_zoo.downloader import ModelDownloader
from espnet2.bin.enh_inference import SeparateSpeech
files = ModelDownloader(sys.argv[2]).download_and_unpack(sys.argv[1])
assert set(files) == {"train_config", "model_file"}, files
noisy = np.load(sys.argv[3])
np.savez(sys.argv[4], stock=SeparateSpeech(**files)(noisy, fs=16000)[0],
         ours=espnet_codecse.SpeechEnhancer(**files, dtype="float32")(noisy, fs=16000)[0])
"""


@pytest.mark.slow
def test_the_zoos_downloader_and_espnets_inference_take_it(pack, noisy, tmp_path, codec_folder):
    """In a process that knows the pack alone: the codec of the training is not there."""
    np.save(tmp_path / "noisy.npy", noisy)
    moved = Path(codec_folder).rename(Path(codec_folder).parent / "gone")
    try:
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", DOWNLOADER, pack, tmp_path / "zoo", tmp_path / "noisy.npy",
             tmp_path / "out.npz"], check=True,
        )  # fmt: skip
    finally:
        moved.rename(codec_folder)
    outputs = np.load(tmp_path / "out.npz")
    assert outputs["stock"].shape == outputs["ours"].shape == noisy.shape
    assert np.abs(outputs["stock"] - outputs["ours"]).max() < 1e-5 < np.abs(outputs["ours"]).max()


@pytest.mark.slow
def test_half_precision_halves_it(experiment, tmp_path, noisy):
    for weights in ("float32", "float16"):
        pack_model(find_model(str(experiment)), tmp_path / f"{weights}.zip", PackOptions(weights=weights))
    sizes = [len(read_members(tmp_path / f"{weights}.zip")[f"{STEP}/valid.loss.best.pth"])
             for weights in ("float32", "float16")]  # fmt: skip
    assert sizes[1] < 0.7 * sizes[0]
    full, half = (
        load_enhancer(str(tmp_path / f"{weights}.zip"), dtype="float32").enhance_batch(list(noisy))[0]["continuous"]
        for weights in ("float32", "float16")
    )
    assert np.abs(full - half).max() < 0.01 * np.abs(full).max()


def test_a_large_codec_is_named_not_carried(experiment, tmp_path, codec_folder, capsys):
    path = tmp_path / "m.zip"
    assert main(["pack", str(experiment), "--output", str(path), "--codec_limit", "0", "--codec", codec_folder]) == 0
    members = read_members(path)
    assert not any("packed_codec" in name for name in members)
    manifest, config = yaml.safe_load(members[MANIFEST]), yaml.safe_load(members[f"{STEP}/config.yaml"])
    assert manifest["codec"]["weights"] is None and manifest["codec"]["name"] == "tiny"
    assert config["encoder_conf"]["codec"] == "tiny"
    assert main(["verify", str(path)]) == 1
    assert "--codec tiny: no such folder" in capsys.readouterr().err
    assert main(["verify", str(path), "--codec", codec_folder]) == 0


def test_espnets_own_codec_is_reduced_to_its_generator(tmp_path):
    from tiny_codecs import save_espnet

    from espnet_codecse.zoo.codec_files import codec_files

    source = save_espnet(tmp_path / "codec", "soundstream")
    (tmp_path / "reduced").mkdir()
    for name, content in codec_files(str(source)).items():
        (tmp_path / "reduced" / name).write_bytes(content)
    assert load_codec(str(tmp_path / "reduced")).fingerprint == load_codec(str(source)).fingerprint
    kept = torch.load(tmp_path / "reduced/codec.best.pth", weights_only=True)
    assert "codec.discriminator.weight" not in kept


def test_a_pack_can_be_packed_again(pack, tmp_path):
    assert main(["pack", str(pack), "--output", str(tmp_path / "again.zip"), "--license", "mit"]) == 0
    old, new = read_members(pack), read_members(tmp_path / "again.zip")
    assert new[f"{STEP}/valid.loss.best.pth"] == old[f"{STEP}/valid.loss.best.pth"]
    assert yaml.safe_load(new[MANIFEST])["license"] == "mit"


@pytest.mark.parametrize(
    "options, text",
    [
        (["--checkpoint", "9epoch.pth"], "9epoch.pth: no such checkpoint"),
        (["--document", "no.md"], "no.md: cannot be read"),
        (["--figures", "x|no_folder"], "no_folder: no scores"),
    ],
)
def test_wrong_options(experiment, options, text, tmp_path, capsys):
    assert main(["pack", str(experiment), "--output", str(tmp_path / "m.zip"), *options]) == 1
    error = capsys.readouterr().err
    assert text in error and error.count("\n") == 1
    assert not list(tmp_path.glob("*m*"))  # nothing half written


def test_only_zips(experiment, tmp_path, capsys):
    assert main(["pack", str(experiment), "--output", str(tmp_path / "m.tar")]) == 1
    assert "must end in .zip" in capsys.readouterr().err


def test_zip_is_plain(pack):
    with zipfile.ZipFile(pack) as archive:
        assert archive.namelist()[0] == "meta.yaml" and archive.testzip() is None
