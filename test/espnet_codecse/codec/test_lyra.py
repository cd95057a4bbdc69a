"""Lyra V2: found by name or folder, read from its files, causal; whatever is not such a file ends in one line."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_lyra import GraphWriter, NetworkWriter, save_lyra

from espnet_codecse.codec import load_codec
from espnet_codecse.codec.lyra import tflite_file
from espnet_codecse.codec.lyra.codec import DECODER, ENCODER, FILES, QUANTIZER, LyraCodec
from espnet_codecse.codec.lyra.network import read_codebooks, read_coder
from espnet_codecse.codec.lyra.tflite_file import TfliteFile
from espnet_codecse.codec.resolve import check_num_codebooks, codec_files, forget_codecs
from espnet_codecse.errors import UserError


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return save_lyra(tmp_path_factory.mktemp("lyra") / "model_coeffs")


@pytest.fixture
def own_cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("CODECSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("CODECSE_LYRA", raising=False)
    forget_codecs()
    yield tmp_path / "cache"
    forget_codecs()


def refused(function, *arguments) -> str:
    with pytest.raises(UserError) as caught:
        function(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def copy_of(folder: Path, target: Path, **changed: bytes) -> Path:
    """Copy the three files, some of them with other content (their names without suffix)."""
    target.mkdir()
    for name in FILES:
        (target / name).write_bytes(changed.get(name.split(".")[0], (folder / name).read_bytes()))
    return target


def test_found_in_the_cache_by_the_variable_and_as_a_folder(folder, own_cache, tmp_path, monkeypatch):
    save_lyra(own_cache / "lyra_v2")
    codec = load_codec("lyra_v2")
    assert (codec.name, codec.sample_rate, codec.hop, codec.activation) == ("lyra_v2", 16000, 320, "leaky_relu")
    assert (codec.dim, codec.num_codebooks, codec.codebook_size) == (8, 6, 16)
    assert {file.parent for file in codec_files("lyra_v2")} == {own_cache / "lyra_v2"}
    assert load_codec(str(folder)).fingerprint == codec.fingerprint
    other = save_lyra(tmp_path / "other", seed=1)
    monkeypatch.setenv("CODECSE_LYRA", str(other))
    forget_codecs()
    assert load_codec("lyra_v2").fingerprint == LyraCodec(other, "").fingerprint != codec.fingerprint


def test_without_the_files_one_line_says_where_and_how(folder, own_cache, tmp_path, monkeypatch):
    message = refused(load_codec, "lyra_v2")
    assert f"{own_cache / 'lyra_v2'} (the cache; CODECSE_LYRA names another" in message
    assert "tools/installers/lyra.sh" in message and "https://github.com/google/lyra" in message
    monkeypatch.setenv("CODECSE_LYRA", str(tmp_path / "mine"))
    assert f"{tmp_path / 'mine'} (CODECSE_LYRA)" in refused(load_codec, "lyra_v2")
    copy_of(folder, tmp_path / "mine")
    (tmp_path / "mine" / QUANTIZER).unlink()
    assert f"{tmp_path / 'mine' / QUANTIZER}: missing" in refused(load_codec, "lyra_v2")
    monkeypatch.setitem(sys.modules, "tflite", None)
    assert "pip install tflite" in refused(load_codec, str(folder))


def test_integers_are_dequantised(tmp_path):
    whole, in_8_bits = (LyraCodec(save_lyra(tmp_path / str(flag), in_8_bits=flag), "") for flag in (False, True))
    exact, close = dict(whole.named_parameters()), dict(in_8_bits.named_parameters())
    assert exact.keys() == close.keys()
    rounded = [name for name in exact if not torch.equal(exact[name], close[name])]
    assert len(rounded) == 12  # weights and biases of five convolutions and a transposed one
    for name in rounded:
        # Half a step of 127 up to the largest weight; a bias is rounded to far smaller steps.
        assert (exact[name] - close[name]).abs().max() <= 0.51 / 127 * exact[name].abs().max()


@pytest.mark.parametrize("frame", [0, 1, 20])
def test_causal(folder, frame):
    codec = load_codec(str(folder))
    speech = 0.1 * torch.randn(1, 40 * 320, generator=torch.Generator().manual_seed(0))
    changed = speech.clone()
    changed[:, (frame + 1) * 320 :] += 1.0
    (before, lengths), (after, _) = (codec.encode(item, torch.tensor([40 * 320])) for item in (speech, changed))
    assert torch.allclose(before[:, : frame + 1], after[:, : frame + 1], atol=1e-6)
    assert not torch.allclose(before[:, frame + 1], after[:, frame + 1], atol=1e-3)
    before[:, frame + 1 :] += 1.0
    decoded = [codec.decode(item, lengths, 40 * 320) for item in (before, after)]
    end = (frame + 1) * 320
    assert torch.allclose(decoded[0][:, :end], decoded[1][:, :end], atol=1e-5)
    assert not torch.allclose(decoded[0][:, end : end + 320], decoded[1][:, end : end + 320], atol=1e-3)


def test_number_of_codebooks(folder):
    codec = load_codec(str(folder))
    for number in (None, 1, 6):
        check_num_codebooks(codec, number)
    for number in (0, -1, 7):
        assert f"--num_codebooks {number}: the codec '{folder}' has 6" in refused(check_num_codebooks, codec, number)


def test_each_codebook_codes_what_the_earlier_ones_left(folder):
    codec = load_codec(str(folder))
    embedding = torch.randn(1, 50, 8, generator=torch.Generator().manual_seed(0))
    errors = [(codec.quantize(embedding, num_codebooks=count)[0] - embedding).square().mean() for count in range(1, 7)]
    assert sorted(errors, reverse=True) == errors and errors[-1] < 0.3 * errors[0]
    residual = embedding[0, 0] - codec.quantizer.codebooks[0][codec.quantize(embedding)[1][0, 0, 0]]
    distances = (codec.quantizer.codebooks[1] - residual).square().sum(1)
    assert distances.argmin() == codec.quantize(embedding)[1][0, 1, 0]


def test_parts_that_do_not_fit_together(folder, tmp_path):
    wider = save_lyra(tmp_path / "wider", dim=16)
    mixed = copy_of(folder, tmp_path / "mixed", quantizer=(wider / QUANTIZER).read_bytes())
    assert "do not fit together" in refused(load_codec, str(mixed))
    swapped = copy_of(folder, tmp_path / "swapped", lyragan=(folder / ENCODER).read_bytes())
    assert "do not fit together" in refused(load_codec, str(swapped))
    swapped = copy_of(folder, tmp_path / "twice", quantizer=(folder / DECODER).read_bytes())
    assert "has no graph 'encode'" in refused(load_codec, str(swapped))


@pytest.mark.parametrize("content", [b"", b"TFL3", b"\0\0\0\0TFL3", b"\x08\0\0\0TFL3" + b"\xff" * 64, b"<html></html>"])
def test_other_files(tmp_path, content):
    (tmp_path / "x").write_bytes(content)
    assert str(tmp_path / "x") in refused(lambda: read_coder(TfliteFile(tmp_path / "x").graph("main")))


@pytest.mark.slow
@settings(max_examples=100)
@given(data=st.data())
def test_damage_ends_in_one_line_or_changes_numbers_only(folder, tmp_path_factory, data):
    name = data.draw(st.sampled_from(FILES))
    content = bytearray((folder / name).read_bytes())
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content)))]
    else:
        for _ in range(8):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    damaged = tmp_path_factory.mktemp("damaged") / "lyra"
    copy_of(folder, damaged, **{name.split(".")[0]: bytes(content)})
    try:
        codec = LyraCodec(damaged, "damaged")
    except UserError as error:
        assert str(damaged) in str(error) and "\n" not in str(error)
        return
    assert codec.encode(torch.zeros(1, 640), torch.tensor([640]))[0].shape == (1, 2, 8)


def test_sizes_are_limited_before_anything_is_built(folder, monkeypatch):
    def read():
        return read_coder(TfliteFile(folder / ENCODER).graph("main"))

    for name, message in (("MAX_BYTES", "bytes, the limit is 10"), ("MAX_ITEMS", "more than 10 operators"),
                          ("MAX_VALUES", "more than 10 values")):  # fmt: skip
        with monkeypatch.context() as patch:
            patch.setattr(tflite_file, name, 10)
            assert message in refused(read)
    read()


def test_reach_is_limited(folder, tmp_path):
    net = NetworkWriter(np.random.default_rng(0), (1, 320))
    net.reshape((1, 320, 1, 1))
    net.convolution(8, kernel=320, stride=320)
    for _ in range(60):
        net.convolution(8, kernel=4, dilation=1000)
    far = copy_of(folder, tmp_path / "far", soundstream_encoder=net.finish())
    assert "a frame depends on" in refused(LyraCodec, far, "")


def coder_of(tmp_path: Path, add) -> list:
    """Write a coder of one convolution and what ``add`` adds to it, and read it."""
    net = NetworkWriter(np.random.default_rng(0), (1, 4, 1, 4))
    net.convolution(4, kernel=3)
    add(net)
    (tmp_path / "net.tflite").write_bytes(net.finish())
    return read_coder(TfliteFile(tmp_path / "net.tflite").graph("main"))


def test_networks_of_other_shapes_are_read_too(tmp_path):
    layers = coder_of(tmp_path, lambda net: (net.residual_unit(dilation=5, groups=4), net.upsampling(3, 7, 3)))
    assert [type(layer).__name__ for layer in layers] == ["CausalConv", "Residual", "CausalUpsample"]
    assert layers[1](torch.randn(2, 4, 11)).shape == (2, 4, 11)
    assert layers[2](torch.randn(2, 4, 11)).shape == (2, 3, 33)


@pytest.mark.parametrize("change, reason", [
    (lambda net: net._apply("RELU", [net._signal], (1, 4, 1, 4)), "operator RELU is not known"),
    (lambda net: setattr(net, "_signal", net.inputs[0]), "the output is not fed by the layer before it"),
    (lambda net: net._apply("ADD", [net._signal, net._signal], (1, 4, 1, 4), ("AddOptions", {})), "ADD is not the end"),
    (lambda net: net._apply("ADD", [net._signal, net.tensor((4,), np.ones(4, "f4"))], (1, 4, 1, 4),
                            ("AddOptions", {})), "ADD of a constant"),
    (lambda net: (setattr(net, "_with_past", lambda context: None), net.convolution(4, kernel=3)),
     "CONV_2D of kernel 3 sees 0 units of the past"),
    (lambda net: (net.convolution(8), net._apply("ADD", [net._signal, net.inputs[0]], (1, 4, 1, 8),
                                                 ("AddOptions", {}))), "ADD is not the end of a residual unit"),
    (lambda net: (net.residual_unit(1), net._apply("ADD", [net._signal, net.inputs[0]], (1, 4, 1, 4),
                                                   ("AddOptions", {}))), "ADD is not the end of a residual unit"),
    (lambda net: (net.reshape((1, 2, 1, 8)), net.convolution(4)), "8 channels follow 4"),
    (lambda net: net.convolution(4, kernel=5000), "a convolution of kernel 5000"),
    (lambda net: net.convolution(4, kernel=3, dilation=3000), "a convolution of kernel 3, stride 1, dilation 3000"),
])  # fmt: skip
def test_other_networks_are_refused(tmp_path, change, reason):
    message = refused(coder_of, tmp_path, change)
    assert reason in message and "not a file of Lyra V2" in message


def codebooks_of(tmp_path: Path, graph: GraphWriter) -> torch.Tensor:
    (tmp_path / "quantizer.tflite").write_bytes(graph.finish())
    return read_codebooks(TfliteFile(tmp_path / "quantizer.tflite").graph("encode"))


def test_values_that_are_no_numbers_are_refused(tmp_path):
    graph = GraphWriter("encode")
    book = graph.tensor((1, 16, 4), np.full((1, 16, 4), np.nan, np.float32))
    graph.operator("SQUARED_DIFFERENCE", [graph.input((1, 1, 4)), book], (1, 16, 4))
    assert "holds values that are no numbers" in refused(codebooks_of, tmp_path, graph)


def test_a_quantiser_without_codebooks(tmp_path):
    graph = GraphWriter("encode")
    graph.input((1, 1, 4))
    assert "no codebooks of one size" in refused(codebooks_of, tmp_path, graph)
