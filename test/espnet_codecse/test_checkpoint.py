"""Checkpoints: damage on disk is noticed, and only ordinary finite tensors are loaded."""

import struct
import zipfile

import pytest
import torch

from espnet_codecse.checkpoint import check_weights, load_checkpoint
from espnet_codecse.errors import UserError


@pytest.fixture
def file(tmp_path):
    torch.save({"weight": torch.arange(400.0).reshape(20, 20), "steps": torch.tensor(3)}, tmp_path / "model.pth")
    return tmp_path / "model.pth"


def refused(path) -> str:
    with pytest.raises(UserError) as caught:
        load_checkpoint(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    return str(caught.value)


def test_a_whole_file(file, tmp_path):
    assert load_checkpoint(file)["weight"][19, 19] == 399
    torch.save(torch.load(file), tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    assert load_checkpoint(tmp_path / "old.pth")["weight"][19, 19] == 399


def test_a_flipped_bit_in_the_weights(file):
    """torch loads such a file without a word."""
    content = bytearray(file.read_bytes())
    content[content.index(struct.pack("<f", 123.0))] ^= 1
    file.write_bytes(content)
    assert not torch.equal(torch.load(file)["weight"], torch.arange(400.0).reshape(20, 20))
    assert "damaged on disk" in refused(file)


def test_zips_that_python_and_torch_read_differently(file):
    content = file.read_bytes()
    directory = content.rindex(b"PK\x01\x02")
    version = bytearray(content)
    version[directory + 6 : directory + 8] = struct.pack("<H", 99)
    extra = bytearray(content)
    name, size = struct.unpack_from("<HH", content, directory + 28)
    extra[directory + 30 : directory + 32] = struct.pack("<H", size + 4)
    for forged in (version, extra):
        file.write_bytes(forged)
        assert "not a plain checkpoint" in refused(file)
    assert name


def test_compressed_members(file, tmp_path):
    with zipfile.ZipFile(file) as whole, zipfile.ZipFile(tmp_path / "z.pth", "w", zipfile.ZIP_DEFLATED) as packed:
        for name in whole.namelist():
            packed.writestr(name, whole.read(name))
    assert "has compressed members" in refused(tmp_path / "z.pth")


WEIGHT = torch.ones(4, 4)


@pytest.mark.parametrize(
    "changed, reason",
    [
        ({"weight": WEIGHT * float("nan")}, "not finite: weight (1)"),
        ({"weight": WEIGHT * float("inf")}, "not finite: weight (1)"),
        ({"weight": WEIGHT.to(torch.int8)}, "of another type: weight (1)"),
        ({"weight": WEIGHT.bool()}, "of another type: weight (1)"),
        ({"weight": WEIGHT.to(torch.complex64)}, "of another type: weight (1)"),
        ({"weight": WEIGHT.to_sparse()}, "of another type: weight (1)"),
        ({"weight": torch.empty(4, 4, device="meta")}, "of another type: weight (1)"),
        ({"weight": torch.quantize_per_tensor(WEIGHT, 0.1, 0, torch.qint8)}, "of another type: weight (1)"),
        ({"weight": [1, 2]}, "of another shape: weight (1)"),
        ({"weight": WEIGHT, 3: WEIGHT}, "unexpected: 3 (1)"),
        ({"weight": WEIGHT, (1, 2): WEIGHT, "x": WEIGHT}, "unexpected: (1, 2), x (2)"),
    ],
)
def test_weights_that_are_no_numbers_of_the_network(changed, reason):
    network = torch.nn.Linear(4, 4, bias=False)
    with pytest.raises(UserError) as caught:
        check_weights(network, changed, "model.pth", "config.yaml")
    assert reason in str(caught.value)


def test_half_precision_is_accepted():
    check_weights(torch.nn.Linear(4, 4, bias=False), {"weight": WEIGHT.half()}, "model.pth", "config.yaml")
