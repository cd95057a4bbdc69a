"""``--codec NAME``: every kind of name, and what is refused with one line."""

import json
import os
import socket
import stat
import time
import zipfile
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file
from tiny_codecs import save_codec, save_dac, save_encodec, save_espnet, save_mdct

from espnet_codecse.codec import codec_label, load_codec, resolve
from espnet_codecse.codec.espnet_codec import find_experiment, unpack
from espnet_codecse.codec.resolve import forget_codecs
from espnet_codecse.errors import UserError


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """Keep unpacked archives out of the user's cache, and codecs of earlier tests out of the process's."""
    monkeypatch.setenv("CODECSE_CACHE", str(tmp_path / "cache"))
    forget_codecs()
    yield
    forget_codecs()


def refused(name: object) -> str:
    """Return the one line with which ``name`` is refused."""
    with pytest.raises(UserError) as caught:
        load_codec(str(name))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def pack_experiment(folder: Path, archive: Path, monkeypatch) -> Path:
    """Pack an experiment with ESPnet's own function, as its recipes do."""
    from espnet2.main_funcs.pack_funcs import pack

    monkeypatch.chdir(folder.parent)  # it stores paths as they are seen from here
    pack(
        files={"model_file": folder / "120epoch.pth"},
        yaml_files={"train_config": folder / "config.yaml"},
        outpath=archive,
    )
    return archive


def test_packed_name(tmp_path, monkeypatch):
    monkeypatch.setattr(resolve, "PRETRAINED", tmp_path)
    save_mdct(tmp_path / "mine_codec")
    codec = load_codec("mine")
    assert (codec.name, codec.hop, codec.dim, codec.activation) == ("mine", 320, 32, "snake")
    assert load_codec("mine") is codec


@pytest.mark.slow
@pytest.mark.parametrize("family, rate", [("dac", 16000), ("encodec", 24000), ("espnet_soundstream", 16000)])
def test_folder_decides_the_family(tmp_path, family, rate):
    folder = save_codec(tmp_path / "without a telling name", family)
    codec = load_codec(str(folder))
    assert (codec.name, codec.sample_rate, codec.hop) == (str(folder), rate, 320)
    assert type(codec).__name__ == {"dac": "DacCodec", "encodec": "EncodecCodec"}.get(family, "EspnetCodec")


@pytest.mark.slow
def test_strides_count_not_the_stated_hop(tmp_path):
    folder = save_dac(tmp_path / "dac")
    assert json.loads((folder / "config.json").read_text())["hop_length"] == 512
    codec = load_codec(str(folder))
    embedding, num_frames = codec.encode(torch.randn(1, 16000), torch.tensor([16000]))
    assert codec.hop == 320
    assert embedding.shape[1] == num_frames.item() == 50


def test_checkpoint_of_an_experiment(tmp_path):
    folder = save_espnet(tmp_path / "exp", "dac")
    for name in ("9epoch.pth", "valid.mel_loss.best.pth", "train.loss.ave_5best.pth"):
        (folder / name).write_bytes((folder / "120epoch.pth").read_bytes())
        assert find_experiment(folder)[1].name == ("120epoch.pth" if name == "9epoch.pth" else name)
    for file in folder.glob("*.pth"):
        file.unlink()
    assert "no checkpoint" in refused(folder)


@pytest.mark.slow
def test_model_zoo_archive_as_the_model_zoo_unpacks_it(tmp_path, monkeypatch):
    from espnet_model_zoo.downloader import ModelDownloader

    folder = save_espnet(tmp_path / "exp", "encodec")
    archive = pack_experiment(folder, tmp_path / "packed.zip", monkeypatch)
    codec = load_codec(str(archive))
    assert codec.fingerprint == load_codec(str(folder)).fingerprint
    config, model = find_experiment(unpack(archive, resolve.cache_dir()))
    theirs = ModelDownloader(tmp_path / "zoo").unpack_local_file(archive)
    assert Path(theirs["model_file"]).read_bytes() == model.read_bytes()
    assert yaml.safe_load(Path(theirs["train_config"]).read_text()) == yaml.safe_load(config.read_text())
    # The folder that the model zoo unpacked to is taken as it is too.
    assert load_codec(str(Path(theirs["model_file"]).parent.parent)).fingerprint == codec.fingerprint


def test_archive_is_unpacked_once(tmp_path, monkeypatch):
    archive = pack_experiment(save_espnet(tmp_path / "exp", "encodec"), tmp_path / "packed.zip", monkeypatch)
    first = unpack(archive, tmp_path / "cache")
    before = (first / "meta.yaml").stat().st_mtime_ns
    assert unpack(archive, tmp_path / "cache") == first
    assert (first / "meta.yaml").stat().st_mtime_ns == before
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [first.name]


@pytest.mark.parametrize("member", ["../outside.txt", "/outside.txt", "exp/../../outside.txt"])
def test_archive_that_writes_outside_is_refused(tmp_path, member):
    archive = tmp_path / "bad.zip"
    with zipfile.ZipFile(archive, "w") as content:
        content.writestr("meta.yaml", "files: {}\n")
        content.writestr(member, "x")
    assert "points outside the archive; refused" in refused(archive)
    assert not list(tmp_path.rglob("outside.txt")) and not Path("/outside.txt").exists()
    assert not list((tmp_path / "cache").iterdir())


def test_archive_with_a_link_is_refused(tmp_path):
    archive = tmp_path / "link.zip"
    member = zipfile.ZipInfo("exp/config.yaml")
    member.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(archive, "w") as content:
        content.writestr(member, "/etc/passwd")
    assert "points outside the archive; refused" in refused(archive)


def test_damaged_archives(tmp_path, monkeypatch):
    archive = tmp_path / "bad.zip"
    archive.write_bytes(b"no zip at all")
    assert "not a readable zip" in refused(archive)
    whole = pack_experiment(save_espnet(tmp_path / "exp", "encodec"), tmp_path / "whole.zip", monkeypatch).read_bytes()
    archive.write_bytes(whole[: len(whole) // 2])
    assert "not a readable zip" in refused(archive)
    with zipfile.ZipFile(archive, "w") as content:
        content.writestr("meta.yaml", "files: {}\nyaml_files: {}\n")
    assert "names no train_config and model_file" in refused(archive)
    (tmp_path / "codec.pth").write_bytes(b"")
    assert "must be a model-zoo zip" in refused(tmp_path / "codec.pth")


class Exploit:
    """An object whose unpickling would leave a trace."""

    def __init__(self, trace: Path):
        self.trace = trace

    def __reduce__(self):
        return os.mkdir, (str(self.trace),)


def test_pickle_that_would_run_code_is_refused(tmp_path, monkeypatch):
    folder = save_espnet(tmp_path / "exp", "soundstream")
    torch.save({"codec.generator.x": Exploit(tmp_path / "trace")}, folder / "120epoch.pth")
    assert "not a plain checkpoint" in refused(folder)
    assert "not a plain checkpoint" in refused(pack_experiment(folder, tmp_path / "packed.zip", monkeypatch))
    assert not (tmp_path / "trace").exists()
    folder = save_dac(tmp_path / "dac")
    (folder / "model.safetensors").unlink()
    torch.save({"encoder.conv1.bias": Exploit(tmp_path / "trace")}, folder / "pytorch_model.bin")
    assert str(folder) in refused(folder)
    assert not (tmp_path / "trace").exists()


def _change(weights, key, how):
    changed = {name: value for name, value in weights.items() if name != key or how != "missing"}
    if how == "unexpected":
        changed["surplus.weight"] = torch.zeros(1)
    if how == "of another shape":
        changed[key] = torch.zeros(3, 3)
    return changed


@pytest.mark.slow
@pytest.mark.parametrize("how", ["missing", "unexpected", "of another shape"])
@pytest.mark.parametrize("family", ["dac", "encodec", "mdct", "espnet_dac"])
def test_weights_that_do_not_fit_are_named(tmp_path, family, how):
    folder = save_codec(tmp_path / family, family)
    if family == "espnet_dac":
        prefix = "codec.generator."
        weights = torch.load(folder / "120epoch.pth")
        key = min(name for name in weights if name.startswith(prefix))
        weights = _change(weights, key, how)
        weights[prefix + "surplus.weight"] = weights.pop("surplus.weight", None)
        weights = {name: value for name, value in weights.items() if value is not None}
        torch.save(weights, folder / "120epoch.pth")
        key = key.removeprefix(prefix)
    else:
        weights = load_file(folder / "model.safetensors")
        key = min(weights)
        save_file(_change(weights, key, how), folder / "model.safetensors", metadata={"format": "pt"})
    message = refused(folder)
    assert f"{how}: {'surplus.weight' if how == 'unexpected' else key} (1)" in message


def test_damaged_weights(tmp_path):
    for family in ("dac", "mdct"):
        folder = save_codec(tmp_path / family, family)
        (folder / "model.safetensors").write_bytes(b"cut short")
        assert str(folder) in refused(folder)
    folder = save_espnet(tmp_path / "exp", "dac")
    for content in ([1, 2], {"model": {"frontend.weight": torch.zeros(1)}}):
        torch.save(content, folder / "120epoch.pth")
        assert "not an ESPnet codec checkpoint" in refused(folder)


def test_other_kinds_of_folders(tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "not a codec folder" in refused(empty)
    (empty / "config.json").write_text('{"model_type": "wav2vec2"}')
    assert "model_type is 'wav2vec2'; supported: dac, encodec" in refused(empty)
    (empty / "config.json").write_text("{")
    assert "not valid json" in refused(empty)
    (empty / "config.json").unlink()
    (empty / "config.yaml").write_text("codec: funcodec\n")
    (empty / "1epoch.pth").write_bytes(b"")
    assert "supported ESPnet codecs: soundstream, encodec, dac" in refused(empty)
    (empty / "config.yaml").write_text("codec: dac\n")
    assert "has no codec_conf" in refused(empty)


@pytest.mark.slow
def test_stereo_encodec_is_refused(tmp_path):
    folder = save_encodec(tmp_path / "encodec")
    document = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**document, "normalize": True}))
    assert "level-normalising EnCodec is not supported" in refused(folder)


def test_unknown_name_lists_the_known(tmp_path):
    for name in ("smal", str(tmp_path / "not" / "there"), "./nothing"):
        message = refused(name)
        assert "small, small_lossless, dac_16khz" in message and "espnet/amuse_dac_16k" in message


@pytest.mark.parametrize("name", ["descript/dac_16khz", "dac_16khz", "espnet/amuse_dac_16k"])
def test_without_network(name, tmp_path, monkeypatch, capfd):
    import huggingface_hub
    from huggingface_hub import constants

    # The library reads HF_HUB_CACHE when it is imported.
    hub = tmp_path / "hub"
    for module in (constants, huggingface_hub._snapshot_download.constants):
        monkeypatch.setattr(module, "HF_HUB_CACHE", str(hub))
        monkeypatch.setattr(module, "ENDPOINT", "http://huggingface.invalid")
    import espnet_model_zoo.downloader as zoo

    plain = zoo.ModelDownloader.__init__
    monkeypatch.setattr(zoo.ModelDownloader, "__init__", lambda self: plain(self, tmp_path / "zoo"))
    looked_up, slept = [], []

    def no_network(host, *_, **__):
        looked_up.append(host)
        raise socket.gaierror(socket.EAI_NONAME, "no network")

    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    monkeypatch.setattr(time, "sleep", slept.append)
    message = refused(name)
    # The libraries' own loaders would try each request again and again, for half a minute.
    assert 1 <= len(looked_up) <= 2 and not slept
    assert resolve.TRANSFORMERS_IDS.get(name, name) in message
    assert str(tmp_path / "zoo" if name.startswith("espnet/") else hub) in message
    assert "--codec" in message
    assert "Retrying" not in capfd.readouterr().err


def test_copy_in_the_local_cache_is_used_without_network(tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "ENDPOINT", "http://huggingface.invalid")
    repository = tmp_path / "hub" / "models--descript--dac_16khz"
    save_dac(repository / "snapshots" / ("0" * 40))
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0" * 40)
    codec = load_codec("dac_16khz")
    assert (codec.name, codec.hop) == ("dac_16khz", 320)


def test_label():
    names = ("small", "descript/dac_16khz", "espnet/amuse_dac_16k", "/a/mine.zip", "/a/exp/")
    assert [codec_label(name) for name in names] == ["small", "dac_16khz", "amuse_dac_16k", "mine", "exp"]


def test_an_archive_that_unfolds_is_refused(tmp_path):
    archive = tmp_path / "bomb.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as content:
        content.writestr("exp/120epoch.pth", bytes(50_000_000))
    assert "times its size, the limit is 50; refused" in refused(archive)
    assert not [path for path in Path(os.environ["CODECSE_CACHE"]).rglob("*") if path.is_file()]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["../outside.pth", "/etc/passwd"])
def test_meta_that_names_files_outside_is_refused(tmp_path, name):
    folder = save_espnet(tmp_path / "exp", "encodec")
    meta = {"files": {"model_file": name}, "yaml_files": {"train_config": "config.yaml"}}
    (folder / "meta.yaml").write_text(yaml.safe_dump(meta))
    assert "names no train_config and model_file inside its folder" in refused(folder)


def test_a_flipped_bit_in_a_small_codecs_weights_is_told(tmp_path):
    folder = save_codec(tmp_path / "codec", "mdct")
    content = bytearray((folder / "model.safetensors").read_bytes())
    content[-100] ^= 1
    (folder / "model.safetensors").write_bytes(content)
    assert "model.safetensors: damaged on disk (SHA-256 differs from config.yaml)" in refused(folder)
    document = yaml.safe_load((folder / "config.yaml").read_text())
    (folder / "config.yaml").write_text(yaml.safe_dump({**document, "sha256": None}))  # as of earlier versions
    assert load_codec(str(folder)).dim == 32


@pytest.mark.parametrize(
    "key, value",
    [
        ("num_channels", 1_000_000), ("num_codebooks", 1_000_000), ("num_refiners", 1_000_000_000), ("strides", [0]),
        ("strides", [1000, 1000]), ("widths", None), ("power", "x"), ("hop", 3), ("sample_rate", True),
    ],
)  # fmt: skip
def test_sizes_of_a_small_codec_are_checked_before_it_is_built(tmp_path, key, value):
    folder = save_codec(tmp_path / "codec", "mdct")
    document = yaml.safe_load((folder / "config.yaml").read_text())
    document["model"][key] = value
    (folder / "config.yaml").write_text(yaml.safe_dump(document))
    assert "config.yaml: 'model' has values that are missing or out of range" in refused(folder)


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [{"quantizer_n_q": 1_000_000_000}, {"encdec_ratios": [0]}, {"hidden_dim": "wide"}, {"hidden_dim": 10**12}],
)
def test_damaged_configurations_of_espnet_codecs(tmp_path, changes):
    folder = save_espnet(tmp_path / "exp", "encodec")
    document = yaml.safe_load((folder / "config.yaml").read_text())
    document["codec_conf"]["generator_params"].update(changes)
    (folder / "config.yaml").write_text(yaml.safe_dump(document))
    assert "no codec can be built" in refused(folder)
