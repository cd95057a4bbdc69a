"""Publishing to a hub on this machine, and loading from it what was published."""

import numpy as np
import pytest
import yaml
from hub_server import TOKEN, Hub
from zoo_packs import STEP, read_members

from espnet_codecse.bin.main import main
from espnet_codecse.errors import UserError
from espnet_codecse.zoo.find import find_model

REPO = "me/nac_se_tiny"


@pytest.fixture
def hub(monkeypatch, tmp_path):
    from huggingface_hub import constants

    server = Hub()
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    # The library reads these of its environment once, when it is imported.
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    # HF_HUB_DISABLE_XET: large files go by the hub's LFS protocol, plain HTTP, instead of its chunk store's.
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True, raising=False)
    yield server
    server.close()


def refused(capsys, *options) -> str:
    assert main(["publish", *map(str, options)]) == 1
    error = capsys.readouterr().err
    lines = [line for line in error.splitlines() if line.startswith("codecse publish")]
    assert len(lines) == 1
    return lines[0]


def test_dry_run_lists_the_files_and_calls_nobody(pack, hub, capsys):
    assert main(["publish", str(pack), "--repo", REPO, "--dry_run"]) == 0
    output = capsys.readouterr().out
    for name in read_members(pack):
        assert f"  {name}\n" in output
    assert "would be uploaded (dry run)" in output and not hub.calls


@pytest.mark.slow
def test_what_was_published_is_what_is_loaded(pack, hub, noisy, capsys):
    from espnet_codecse import SpeechEnhancer

    assert main(["publish", str(pack), "--repo", REPO]) == 0
    assert f"{hub.url}/{REPO}/commit/" in capsys.readouterr().out
    published = {name: content for name, content in hub.repos[REPO].items() if name != ".gitattributes"}
    assert published == read_members(pack)
    card = hub.repos[REPO]["README.md"].decode()
    assert {"espnet", "audio", "audio-to-audio"} <= set(yaml.safe_load(card.split("---\n")[1])["tags"])
    hub.repos[REPO]["surplus.bin"] = b"not fetched"
    for name in (REPO, f"{REPO}@main"):
        (published,) = SpeechEnhancer.from_pretrained(name, dtype="float32")(noisy)
    assert ("GET", f"/{REPO}/resolve/{hub.revision(REPO)}/surplus.bin") not in hub.calls
    (local,) = SpeechEnhancer.from_pretrained(pack, dtype="float32")(noisy)
    assert np.array_equal(published, local)
    # Once in the cache it needs no network.
    hub.close()
    assert find_model(REPO).model_file.is_file()


@pytest.mark.slow
def test_a_file_changed_on_the_hub_is_refused(pack, hub):
    assert main(["publish", str(pack), "--repo", REPO]) == 0
    hub.repos[REPO][f"{STEP}/config.yaml"] += b"# changed\n"
    with pytest.raises(UserError, match="config.yaml' is not the file that was packed"):
        find_model(REPO)
    del hub.repos[REPO]["codecse.yaml"]
    with pytest.raises(UserError, match="codecse.yaml is missing; not a pack written by"):
        find_model(REPO)


@pytest.mark.slow
def test_a_taken_name_and_updating(pack, hub, capsys):
    assert main(["publish", str(pack), "--repo", REPO]) == 0
    assert "the name is taken; pass --update" in refused(capsys, pack, "--repo", REPO)
    hub.repos[REPO]["old.txt"] = b"of an earlier pack"
    assert main(["publish", str(pack), "--repo", REPO, "--update"]) == 0
    assert "old.txt" not in hub.repos[REPO] and ".gitattributes" in hub.repos[REPO]


@pytest.mark.slow
def test_somebody_elses_name(pack, hub, capsys):
    hub.repos["other/model"] = {}
    for options in ([], ["--update"]):
        message = refused(capsys, pack, "--repo", "other/model", *options)
        assert "the token has no write permission for 'other'" in message
    assert hub.repos["other/model"] == {}


def test_refused_and_missing_tokens(pack, hub, capsys, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    assert "the token is refused; run 'hf auth login', or set HF_TOKEN" in refused(capsys, pack, "--repo", REPO)
    monkeypatch.delenv("HF_TOKEN")
    calls = len(hub.calls)
    assert f"no token for {hub.url}" in refused(capsys, pack, "--repo", REPO)
    assert not hub.repos and len(hub.calls) == calls


@pytest.mark.slow
def test_no_network(pack, hub, capsys):
    hub.close()
    assert f"{hub.url} cannot be reached" in refused(capsys, pack, "--repo", REPO)


def test_a_card_that_the_hub_does_not_take(experiment, hub, tmp_path, capsys):
    pack = tmp_path / "wrong.zip"
    assert main(["pack", str(experiment), "--output", str(pack), "--license", "wrong"]) == 0
    assert "does not accept the model card" in refused(capsys, pack, "--repo", REPO)


def test_wrong_packs_are_not_published(pack, hub, tmp_path, capsys):
    assert "no such pack" in refused(capsys, tmp_path / "no.zip", "--repo", REPO)
    (tmp_path / "cut.zip").write_bytes(pack.read_bytes()[:-2000])
    assert "not a readable zip" in refused(capsys, tmp_path / "cut.zip", "--repo", REPO)
    for name in ("name", "a/b/c"):
        assert "must be user/name" in refused(capsys, pack, "--repo", name)
    assert "not a valid repository name" in refused(capsys, pack, "--repo", "me/a name")
    assert not hub.calls


@pytest.mark.slow
def test_the_zoos_downloader_takes_what_was_published(pack, hub, tmp_path, noisy):
    """espnet_model_zoo's way: the hub's snapshot, rewritten in place."""
    from espnet_model_zoo.downloader import ModelDownloader

    import espnet_codecse

    assert main(["publish", str(pack), "--repo", REPO]) == 0
    import huggingface_hub

    folder = huggingface_hub.snapshot_download(REPO, cache_dir=tmp_path / "zoo", endpoint=hub.url)
    downloader = ModelDownloader(tmp_path / "zoo")
    # Its name was misspelt up to espnet_model_zoo 0.1.7.
    unpack = (
        getattr(downloader, "_unpack_cache_dir_for_huggingface", None) or downloader._unpack_cache_dir_for_huggingfase
    )
    files = unpack(folder)
    enhancer = espnet_codecse.SpeechEnhancer(**files, dtype="float32")
    (expected,) = espnet_codecse.SpeechEnhancer.from_pretrained(pack, dtype="float32")(noisy)
    assert np.array_equal(enhancer(noisy)[0], expected)
