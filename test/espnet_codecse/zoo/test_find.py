"""Names of models: carried ones, packs, folders, experiments, and a hub that cannot be reached."""

import shutil
import zipfile

import pytest
from zoo_packs import STEP

from espnet_codecse.errors import UserError
from espnet_codecse.zoo import catalogue, find, hub
from espnet_codecse.zoo.find import find_model


def refused(name) -> str:
    with pytest.raises(UserError) as caught:
        find_model(str(name))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def unzipped(pack, folder):
    with zipfile.ZipFile(pack) as archive:
        archive.extractall(folder)
    return folder


def test_a_zip_is_unpacked_once(pack, cache, tmp_path):
    files = find_model(str(pack))
    assert files.folder.is_relative_to(cache) and files.layer == "continuous"
    assert files.train_config.is_file() and files.model_file.is_file()
    assert files.codec == str(files.folder / "packed_codec/tiny")
    before = files.model_file.stat().st_mtime_ns
    # The content decides, not the name.
    copy = tmp_path / "copy of it.zip"
    shutil.copy(pack, copy)
    assert find_model(str(copy)) == files and files.model_file.stat().st_mtime_ns == before
    assert [path.name for path in (cache / "packs").iterdir()] == [files.folder.name]  # nothing temporary is left


def test_a_cache_that_lost_files_is_made_anew(pack):
    files = find_model(str(pack))
    files.model_file.unlink()
    assert find_model(str(pack)) == files and files.model_file.is_file()


def test_a_cache_that_cannot_be_written(pack, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CODECSE_CACHE", str(tmp_path / "file"))
    assert "cannot be written" in refused(pack) and "set CODECSE_CACHE" in refused(pack)


def test_folders(pack, experiment, tmp_path):
    folder = unzipped(pack, tmp_path / "unpacked")
    assert find_model(str(folder)).model_file == folder / STEP / "valid.loss.best.pth"
    for name in (experiment, experiment / "1_enhance"):
        files = find_model(str(name))
        assert files.model_file == experiment / "1_enhance/valid.loss.best.pth" and files.codec is None
    (folder / "codecse.yaml").unlink()
    assert "codecse.yaml is missing" in refused(folder)


def test_the_last_step_and_the_last_epoch(experiment, tmp_path):
    folder = tmp_path / "exp"
    for step in ("1_a", "2_b"):
        (folder / step).mkdir(parents=True)
        shutil.copy(experiment / "1_enhance/config.yaml", folder / step)
        for epoch in (9, 10):
            (folder / step / f"{epoch}epoch.pth").write_bytes(b"")
    assert find_model(str(folder)).model_file == folder / "2_b/10epoch.pth"
    (folder / "2_b/valid.loss.best.pth").symlink_to("gone.pth")  # what it pointed to was deleted
    assert find_model(str(folder)).model_file == folder / "2_b/10epoch.pth"
    for path in folder.rglob("*.pth"):
        path.unlink()
    assert "no weights" in refused(folder)


def test_a_carried_model(pack, tmp_path, monkeypatch):
    unzipped(pack, tmp_path / "carried" / "nac_tiny")
    for module in (find, catalogue):
        monkeypatch.setattr(module, "PRETRAINED", tmp_path / "carried")
    assert find_model("nac_tiny").folder == tmp_path / "carried" / "nac_tiny"
    assert refused("nac_tino").endswith("did you mean nac_tiny?; models that come with the package: nac_tiny")


def test_no_such_model(tmp_path):
    for name in ("no_model", str(tmp_path / "no"), "./a/b", "a/b/c", "x/y.zip", ""):
        assert "no such folder or zip" in refused(name) or "neither an unpacked pack" in refused(name)
    assert "neither an unpacked pack (meta.yaml) nor an experiment" in refused(tmp_path)


def test_a_hub_that_cannot_be_reached(tmp_path, monkeypatch):
    """Port 9 of this machine answers nobody."""
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    message = refused("somebody/model@main")
    assert "--model somebody/model@main: not in the cache" in message
    assert "the download failed" in message and "pass a downloaded folder or zip" in message


def test_links_that_leave_the_hubs_cache(tmp_path):
    folder = tmp_path / "models--a--b/snapshots/abc"
    folder.mkdir(parents=True)
    (tmp_path / "models--a--b/blobs").mkdir()
    (tmp_path / "models--a--b/blobs/1").write_text("x")
    (folder / "fine.txt").symlink_to("../../blobs/1")
    hub.check_links(folder, "a/b")
    (tmp_path / "secret").write_text("x")
    (folder / "wrong.txt").symlink_to("../../../secret")
    with pytest.raises(UserError, match="'wrong.txt' is a link that leads outside"):
        hub.check_links(folder, "a/b")
