"""Packs made to do harm, or damaged: each is refused with one line, and leaves nothing behind."""

import os
import stat
import struct
import zipfile
from pathlib import Path

import pytest
import torch
import yaml
from tiny_features import save_wav2vec2
from zoo_packs import STEP, edit_yaml, read_members, saved

from espnet_codecse import zip_limits
from espnet_codecse.bin.main import main
from espnet_codecse.errors import UserError
from espnet_codecse.features import load_features
from espnet_codecse.zoo.find import find_model
from espnet_codecse.zoo.load import _load_named_features, load_enhancer
from espnet_codecse.zoo.manifest import MANIFEST

MODEL, CONFIG = f"{STEP}/valid.loss.best.pth", f"{STEP}/config.yaml"


def refused(path, load=load_enhancer) -> str:
    with pytest.raises(UserError) as caught:
        load(str(path))
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500
    return str(caught.value)


def rewrite(pack: Path, target: Path, extra=(), skip=()) -> Path:
    """Copy a zip with members added as ``(ZipInfo or name, content)``; the manifest does not know them."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for name, content in read_members(pack).items():
            if name not in skip:
                new.writestr(name, content)
        for info, content in extra:
            new.writestr(info, content)
    return target


def replacing(name: str, content: bytes):
    """A change for ``forge``: the member ``name`` holds ``content``."""
    return lambda members, manifest: members.update({name: content})


class Exploit:
    """Its unpickling would make a folder."""

    def __init__(self, trace):
        self.trace = str(trace)

    def __reduce__(self):
        return os.mkdir, (self.trace,)


def test_the_pack_itself_is_accepted(forge):
    assert load_enhancer(str(forge(lambda members, manifest: None))).num_spk == 1


def test_pickles_are_never_run(forge, tmp_path):
    def change(members, manifest):
        members[MODEL] = saved({"weight": Exploit(tmp_path / "trace")})

    message = refused(forge(change))
    assert "not a plain checkpoint" in message and "mkdir" in message
    assert message.startswith(f"{tmp_path / 'forged.zip'}: {MODEL}: ")  # not the folder it was unpacked to
    assert not (tmp_path / "trace").exists()


def test_bare_pickles_are_never_run(forge, tmp_path):
    import pickle

    for protocol in (0, 2, 4):
        content = pickle.dumps(Exploit(tmp_path / "trace"), protocol)
        assert "not a plain checkpoint" in refused(forge(replacing(MODEL, content)))
    assert not (tmp_path / "trace").exists()


OUTSIDE = [
    "../outside.txt", "/tmp/codecse_outside.txt", "exp/../../outside.txt", "exp/..", "..\\outside.txt", "C:/o.txt",
]  # fmt: skip


@pytest.mark.parametrize("name", OUTSIDE)
def test_members_that_lead_outside(pack, tmp_path, name, cache):
    forged = rewrite(pack, tmp_path / "forged.zip", [(name, b"x")])
    message = refused(forged)
    assert "refused" in message and ("outside" in message or "not a portable file name" in message)
    assert not list(tmp_path.rglob("outside.txt")) and not Path("/tmp/codecse_outside.txt").exists()
    assert not any(path.is_file() for path in cache.rglob("*"))


@pytest.mark.parametrize("name", ["../../etc/passwd.txt", "/etc/passwd.txt"])
def test_lists_that_lead_outside(forge, name):
    def change(members, manifest):
        members["meta.yaml"] = yaml.safe_dump(
            {"files": {"model_file": name}, "yaml_files": {"train_config": CONFIG}}
        ).encode()

    assert "points outside the pack" in refused(forge(change))
    forged = forge(lambda _, manifest: manifest["codec"].update(weights=name.rpartition("/")[0]))
    assert "points outside the pack" in refused(forged)
    assert "names codec weights but does not list them" in refused(
        rewrite(forged, forged.with_name("without_folder.zip"))
    )


def test_links_and_special_files(pack, tmp_path):
    for kind in (stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR):
        info = zipfile.ZipInfo("exp/link.txt")
        info.external_attr = (kind | 0o777) << 16
        forged = rewrite(pack, tmp_path / "forged.zip", [(info, b"/etc/passwd")])
        assert "is a link or a special file" in refused(forged)


def test_bombs(pack, tmp_path, monkeypatch):
    for size in (2_000_000, 50_000_000):
        zeros = rewrite(pack, tmp_path / "zeros.zip", [("zeros.txt", bytes(size))])
        assert "times its size, the limit is 50" in refused(zeros)
    many = rewrite(pack, tmp_path / "many.zip", [(f"exp/{number}.txt", b"") for number in range(1000)])
    assert "members, a pack has at most" in refused(many)
    monkeypatch.setattr(zip_limits, "MAX_BYTES", 10_000)
    assert "would unpack to" in refused(pack)


def test_a_bomb_inside_the_weights(forge, tmp_path):
    """A checkpoint is a zip itself: stored in the pack as it is, it would unfold only while it is loaded."""
    torch.save({"weight": torch.zeros(5_000_000)}, tmp_path / "plain.pth")
    with zipfile.ZipFile(tmp_path / "bomb.pth", "w", zipfile.ZIP_DEFLATED) as bomb:
        for name, content in read_members(tmp_path / "plain.pth").items():
            bomb.writestr(name, content)
    content = (tmp_path / "bomb.pth").read_bytes()
    assert len(content) < 100_000
    message = refused(forge(replacing(MODEL, content)))
    assert "valid.loss.best.pth' has compressed members" in message


def test_a_header_that_lies_about_its_size(pack, tmp_path):
    """The member says 10 bytes and holds ten million: no more than 10 are written."""
    forged = rewrite(pack, tmp_path / "forged.zip", [("zeros.txt", bytes(10_000_000))])
    content = bytearray(forged.read_bytes())
    while (at := content.find(struct.pack("<I", 10_000_000))) >= 0:
        content[at : at + 4] = struct.pack("<I", 10)
    forged.write_bytes(content)
    assert "not a readable zip" in refused(forged)


@pytest.mark.slow
def test_overlapping_members(pack, tmp_path):
    """Many entries for the same compressed bytes, as zip bombs without recursion have."""
    forged = rewrite(pack, tmp_path / "forged.zip", [(f"exp/{number}.txt", bytes(1_000_000)) for number in range(150)])
    assert "refused" in refused(forged) or "not a readable zip" in refused(forged)


@pytest.mark.slow
def test_yaml_tags_and_aliases(forge, pack, tmp_path):
    trace = tmp_path / "trace"
    tag = f"!!python/object/apply:os.mkdir ['{trace}']"
    bomb = "a: &a [x, x, x, x]\nb: &b [*a, *a, *a, *a]\nc: [*b, *b, *b, *b]\n"
    for text in (f"encoder: {tag}\n", bomb, "a: [", "\0", "- 1\n"):
        for name in (CONFIG, "meta.yaml", "packed_codec/tiny/config.yaml"):
            forged = forge(replacing(name, text.encode()))
            assert "is not plain YAML" in refused(forged) or "has no keys" in refused(forged)
    for text in (f"format: {tag}\n", bomb):
        forged = rewrite(pack, tmp_path / "manifest.zip", [(MANIFEST, text.encode())], skip=[MANIFEST])
        assert f"{MANIFEST} is not plain YAML" in refused(forged)
    assert not trace.exists()
    long = forge(replacing(CONFIG, os.urandom(700_000).hex().encode()))
    assert "is larger than 1 MB" in refused(long)


def test_other_fingerprints(forge, pack, tmp_path):
    other = "0" * 16
    forged = forge(lambda _, manifest: manifest["codec"].update(fingerprint=other))
    assert f"but the pack is for {other}" in refused(forged)

    def any_codec(members, manifest):
        edit_yaml(members, CONFIG, encoder_conf={"codec": "packed_codec/tiny", "fingerprint": ""})

    assert "was trained with the codec" in refused(forge(any_codec))

    def another_codec(members, manifest):
        """Codec weights that do not give the fingerprint that both files claim."""
        from safetensors.torch import load, save

        name = "packed_codec/tiny/model.safetensors"
        weights = load(members[name]).items()
        edit_yaml(members, "packed_codec/tiny/config.yaml", sha256=None)  # of the weights as they were
        members[name] = save({key: value + 1 if value.is_floating_point() else value for key, value in weights})

    message = refused(forge(another_codec))
    assert "its fingerprint is" in message and "use the codec of the training" in message


@pytest.mark.parametrize("key, value", [("sample_rate", 8000), ("hop", 160), ("dim", 64)])
def test_a_codec_that_is_not_as_told(forge, key, value, capsys):
    forged = forge(lambda _, manifest: manifest["codec"].update({key: value}))
    assert main(["verify", str(forged)]) == 1
    assert f"the codec's {key} is" in capsys.readouterr().err


def test_weights_that_do_not_fit(forge, pack, tmp_path):
    import io

    state = torch.load(io.BytesIO(read_members(pack)[MODEL]), weights_only=True)
    first = sorted(state)[0]
    cases = {
        "missing": {key: value for key, value in state.items() if key != first},
        "unexpected": {**state, "surplus": torch.zeros(1)},
        "of another shape": {**state, first: torch.zeros(3, 1, 4)},
        "holds no named weights": [1, 2],
    }
    for text, changed in cases.items():
        assert text in refused(forge(replacing(MODEL, saved(changed))))
    cut = read_members(pack)[MODEL][:1000]
    assert "not a plain checkpoint" in refused(forge(replacing(MODEL, cut)))


def test_weights_that_are_not_numbers(forge, pack, capsys):
    import io

    state = torch.load(io.BytesIO(read_members(pack)[MODEL]), weights_only=True)
    state = {key: value * float("nan") for key, value in state.items()}
    assert main(["verify", str(forge(replacing(MODEL, saved(state))))]) == 1
    assert "not finite" in capsys.readouterr().err


@pytest.mark.parametrize(
    "changes, text",
    [
        ({"separator": "no_such"}, "no model can be built"),
        ({"separator": "asteroid"}, "loads code by name"),
        ({"separator_conf": {"width": "wide"}}, "no model can be built"),
        ({"separator_conf": {"surplus": 1}}, "no model can be built"),
        ({"encoder": "stft"}, "not a codec"),
        ({"criterions": 3}, "no model can be built"),
        ({"encoder_conf": 5}, "was trained with the codec None"),
    ],
)
def test_configurations_that_build_nothing(forge, changes, text):
    assert text in refused(forge(lambda members, _: edit_yaml(members, CONFIG, **changes)))


def test_missing_surplus_and_changed_files(pack, tmp_path):
    cases = [
        ({"skip": [MODEL]}, "is listed but missing"),
        ({"extra": [("exp/surplus.txt", b"x")]}, "'exp/surplus.txt' is not in its list of files (1)"),
        ({"skip": ["README.md"], "extra": [("README.md", b"another")]}, "is not the file that was packed"),
        ({"skip": [MANIFEST]}, f"{MANIFEST} is missing"),
        ({"extra": [("README.md", b"again")]}, "'README.md' occurs twice"),
        ({"extra": [("readme.MD", b"again")]}, "not a file type allowed"),
        ({"extra": [("EXP/NAC_SE_TINY/1_ENHANCE/CONFIG.yaml", b"again")]}, "occurs twice"),
        ({"extra": [("setup.py", b"import os")]}, "'setup.py' is not a file type allowed in a pack"),
        ({"extra": [("README.md/x.txt", b"x")]}, "a file and a folder have the same name"),
    ]
    for number, (changes, text) in enumerate(cases):
        forged = rewrite(pack, tmp_path / f"{number}.zip", **changes)
        assert text in refused(forged, find_model), text


def test_missing_meta_and_incomplete_manifests(forge, pack, tmp_path):
    without = rewrite(pack, tmp_path / "without.zip", skip=["meta.yaml"])
    assert "'meta.yaml' is listed but missing" in refused(without, find_model)
    cases = {
        "names no model_file": lambda members, _: members.update({"meta.yaml": b"yaml_files: {train_config: x.yaml}"}),
        "not 'codecse_pack_1'": lambda _, manifest: manifest.update(format="codecse_pack_9"),
        "does not identify the codec": lambda _, manifest: manifest["codec"].pop("hop"),
        "names no layer": lambda _, manifest: manifest.update(layer="other"),
    }
    for text, change in cases.items():
        assert text in refused(forge(change), find_model)


def test_no_zip_at_all(tmp_path, pack):
    (tmp_path / "text.zip").write_text("no zip")
    (tmp_path / "cut.zip").write_bytes(pack.read_bytes()[:-2000])
    for name in ("text.zip", "cut.zip"):
        assert "not a readable zip" in refused(tmp_path / name)
    (tmp_path / "x.tar").write_text("x")
    assert "pass a zip written by 'codecse pack'" in refused(tmp_path / "x.tar")


@pytest.mark.slow
@pytest.mark.parametrize(
    "part, key, value",
    [
        ("separator_conf", "num_layers", 1_000_000_000), ("separator_conf", "width", 1_000_000),
        ("separator_conf", "num_spk", 1_000_000_000),
    ],
)  # fmt: skip
def test_configurations_of_absurd_size(forge, part, key, value):
    def change(members, _):
        conf = yaml.safe_load(members[CONFIG])[part]
        edit_yaml(members, CONFIG, **{part: {**conf, key: value}})

    message = refused(forge(change))
    assert "refused" in message or "no model can be built" in message or "num_spk is missing or damaged" in message


@pytest.mark.parametrize("codec", [1_000_000, [0]])
def test_codecs_of_absurd_size(forge, codec):
    def change(members, _):
        name = "packed_codec/tiny/config.yaml"
        model = yaml.safe_load(members[name])["model"]
        edit_yaml(members, name, model={**model, "num_channels" if isinstance(codec, int) else "strides": codec})

    assert "'model' has values that are missing or out of range" in refused(forge(change))


@pytest.mark.parametrize("changes", [{"decoder_conf": None}, {"decoder_conf": 3}, {"separator": None}])
def test_parts_that_are_missing(forge, changes):
    message = refused(forge(lambda members, _: edit_yaml(members, CONFIG, **changes)))
    assert f"({next(iter(changes))} is missing or damaged)" in message


def test_a_manifest_without_separator(forge, capsys):
    assert main(["verify", str(forge(lambda _, manifest: manifest.pop("separator")))]) == 1
    assert "names no separator" in capsys.readouterr().err


def test_a_pack_starts_no_download(forge, monkeypatch, capsys):
    """Its codec is one that the pack's author put on a hub."""
    import huggingface_hub

    def change(members, manifest):
        manifest["codec"].update(name="somebody/codec", weights=None)
        fingerprint = manifest["codec"]["fingerprint"]
        conf = {"codec": "somebody/codec", "fingerprint": fingerprint}
        edit_yaml(members, CONFIG, encoder_conf=conf, decoder_conf={"codec": "somebody/codec"})

    def download(*_, **__):
        raise AssertionError("the hub was asked")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    forged = forge(change)
    assert "--codec somebody/codec: no such folder or published codec" in refused(forged)
    assert main(["verify", str(forged)]) == 1
    assert "no such folder or published codec" in capsys.readouterr().err


@pytest.mark.parametrize("key", ["teacher_conf", "guidance_conf"])
def test_a_pack_starts_no_download_of_features(forge, monkeypatch, key):
    """Nor of a codec that they are the embedding of, and that no other part of the configuration uses."""
    import huggingface_hub.constants as constants
    from transformers import AutoModel

    asked = []

    def load(name, **_):
        asked.append((name, constants.HF_HUB_OFFLINE))
        raise OSError("not in the cache")

    monkeypatch.setattr(AutoModel, "from_pretrained", load)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    conf = {"kind": "transformers", "model": "somebody/features"}
    message = refused(forge(lambda members, _: edit_yaml(members, CONFIG, **{key: conf})))
    assert "somebody/features: cannot be loaded (not in the cache); the pack only names them: download" in message
    assert asked == [("somebody/features", True)]
    _load_named_features({key: {"kind": "transformers", "model": "facebook/wav2vec2-base"}}, None)
    _load_named_features({key: {"kind": "none"}, "codec": "somebody/codec"}, None)
    assert len(asked) == 1  # building the model loads what is published
    with pytest.raises(UserError, match="--codec somebody/codec: no such folder or published codec"):
        _load_named_features({key: {"kind": "codec"}, "codec": "somebody/codec", "coder_conf": {"a": 1}}, None)


def test_features_on_this_machine_are_loaded_offline(tmp_path, monkeypatch):
    import huggingface_hub.constants as constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    source = save_wav2vec2(tmp_path / "wav2vec2")
    _load_named_features({"teacher_conf": {"kind": "transformers", "model": source.split(":", 1)[1]}}, None)
    assert load_features(source).dim == 16 and not constants.HF_HUB_OFFLINE


def test_verification_keeps_the_hubs_library_from_the_network(monkeypatch):
    import huggingface_hub.constants as constants

    from espnet_codecse.zoo.hub import offline

    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with offline():
        assert constants.HF_HUB_OFFLINE and os.environ["HF_HUB_OFFLINE"] == "1"
    assert not constants.HF_HUB_OFFLINE and "HF_HUB_OFFLINE" not in os.environ
