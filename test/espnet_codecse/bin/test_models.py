"""The list of models at hand, their cards, and what is suggested for a name that is not there."""

import pytest
from hub_server import Hub

from espnet_codecse.bin import models
from espnet_codecse.bin.main import main
from espnet_codecse.codec.resolve import PRETRAINED
from espnet_codecse.errors import UserError
from espnet_codecse.zoo.archive import unpack
from espnet_codecse.zoo.find import find_model


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CODECSE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def listed(capsys, *options) -> list[str]:
    assert main(["models", *options]) == 0
    return capsys.readouterr().out.splitlines()


def test_what_the_package_carries(capsys):
    lines = listed(capsys)
    start = lines.index("nac_se  (package)")
    summary, figures = lines[start + 1 : start + 3]
    parts = "enhancement, embedding_unet, codec small, 16 kHz, 3.12 M parameters, 12.6 MB, licence cc-by-4.0"
    assert summary.strip() == parts
    assert figures.strip().startswith("PESQ 1.37 -> 2.08, STOI 0.78 -> 0.85")
    for line in lines:
        if not line.startswith(" "):
            find_model(line.split("  ")[0])


def test_what_was_unpacked_is_listed_by_its_folder_and_what_is_damaged_is_not(capsys, cache):
    pack = next((PRETRAINED.parent.parent / "egs2/mini/enh1").glob("*.zip"))
    folder = unpack(pack)
    assert f"{folder}  (cache)" in listed(capsys)
    (folder / "codecse.yaml").write_text("{")
    assert not [line for line in listed(capsys) if "(cache)" in line]


def test_the_card_of_a_model(capsys):
    assert main(["models", "show", "nac_se"]) == 0
    assert capsys.readouterr().out == (PRETRAINED / "nac_se/README.md").read_text().rstrip() + "\n"
    with pytest.raises(UserError, match="codecse models show NAME"):
        models.main(["show"])


def test_the_hub_by_the_tag_of_its_cards(capsys, monkeypatch):
    hub = Hub()
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    hub.listed = [{"id": "somebody/nac_se_dac", "tags": ["espnet_codecse"]}, {"id": "other/model", "tags": ["asr"]}]
    try:
        lines = listed(capsys, "--hub")
    finally:
        hub.close()
    assert "somebody/nac_se_dac  (on the hub)" in lines and not [line for line in lines if "other/model" in line]
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(UserError, match="--hub: cannot be reached .*check the network"):
        models.main(["--hub"])


def test_the_nearest_name_is_suggested(capsys):
    assert main(["enhence", "x"]) == 2
    assert "unknown command 'enhence'; did you mean enhance?; known: enhance, stream" in capsys.readouterr().err
    with pytest.raises(UserError, match="--model nacse: no such folder or zip; did you mean nac_se.*package: .*nac_se"):
        find_model("nacse")
    with pytest.raises(UserError, match="no such folder or zip; models that come"):
        find_model("qwertyuiop")
