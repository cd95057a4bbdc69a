"""Streams of a codec: as at once in pieces of any size, to samples and to codes, by PyTorch and by onnxruntime."""

from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_codecs import save_encodec
from tiny_lyra import save_lyra
from tiny_models import save_encoder_experiment, save_experiment
from voices import voice

from espnet_codecse.bin import decode, encode, enhance, export_onnx, stream
from espnet_codecse.codec import load_codec
from espnet_codecse.codec.bitstream import BitstreamReader
from espnet_codecse.codec.resolve import forget_codecs
from espnet_codecse.enh.enhancer import EmbeddingEnhancer
from espnet_codecse.enh.streaming import CodecStream
from espnet_codecse.errors import UserError
from espnet_codecse.live.streams import build_streams
from espnet_codecse.zoo.load import load_enhancer

HOP = 320


@pytest.fixture(scope="module")
def lyra(tmp_path_factory) -> str:
    return str(save_lyra(tmp_path_factory.mktemp("lyra") / "codec"))


@pytest.fixture(scope="module")
def model(tmp_path_factory, lyra) -> str:
    return str(save_encoder_experiment(tmp_path_factory.mktemp("lyra") / "model", lyra))


@pytest.fixture
def noisy(tmp_path):
    path = tmp_path / "noisy.wav"
    soundfile.write(path, voice(16000 + 77), 16000, subtype="FLOAT")
    return path


def pieces(samples, sizes):
    start = 0
    while start < len(samples):
        size = next(sizes)
        yield samples[start : start + size]
        start += size


def random_sizes(largest: int):
    rng = np.random.default_rng(largest)
    while True:
        yield int(rng.integers(1, largest + 1))


@settings(max_examples=25, deadline=None)
@given(num_samples=st.integers(1, 4000), largest=st.sampled_from([7, 319, 320, 321, 2000]), codebooks=st.integers(0, 6))
def test_as_at_once(lyra, num_samples, largest, codebooks):
    codec = load_codec(lyra)
    samples = 0.1 * np.random.default_rng(num_samples).standard_normal(num_samples).astype(np.float32)
    flow = CodecStream(codec, codebooks > 0, codebooks or None)
    outputs, num_in = [], 0
    for piece in pieces(samples, random_sizes(largest)):
        outputs.append(flow.process(piece))
        num_in += len(piece)
        assert num_in - sum(map(len, outputs)) < flow.latency_samples == HOP
    streamed = np.concatenate([*outputs, flow.flush()])
    enhancer = EmbeddingEnhancer(codec, None, ("quantized" if codebooks else "continuous",))
    enhancer.num_codebooks = codebooks or None
    (expected,) = enhancer.enhance_batch([samples])[0].values()
    assert streamed.shape == samples.shape and streamed.dtype == np.float32
    np.testing.assert_allclose(streamed, expected[0], atol=2e-5)


def test_codes_of_a_stream(lyra):
    codec, samples = load_codec(lyra), voice(5000)
    flow = CodecStream(codec, num_codebooks=4)
    codes = [flow.encode(piece) for piece in pieces(samples, random_sizes(500))]
    codes = np.concatenate([*codes, flow.flush_codes()], axis=1)
    embedding, lengths = codec.encode(torch.from_numpy(samples)[None], torch.tensor([5000]))
    assert np.array_equal(codes, codec.quantize(embedding, lengths, 4)[1][0])
    assert flow.num_samples == 5000


def test_starts_anew_after_its_end_and_survives_nan(lyra):
    flow, samples = CodecStream(load_codec(lyra)), voice(1000)
    first = np.concatenate([flow.process(samples), flow.flush()])
    broken = samples.copy()
    broken[[3, 500]] = np.nan, np.inf
    second = np.concatenate([flow.process(broken), flow.flush()])
    assert flow.num_not_finite == 2 and np.isfinite(second).all()
    np.testing.assert_allclose(np.concatenate([flow.process(samples), flow.flush()]), first, atol=1e-6)


def test_codecs_that_look_ahead_or_models_that_do_are_refused(lyra, tmp_path):
    with pytest.raises(UserError, match="is not causal and cannot stream"):
        CodecStream(load_codec(str(save_encodec(tmp_path / "encodec"))))
    separating = save_experiment(tmp_path / "model", lyra)
    with pytest.raises(UserError, match="--variant encoder and a causal codec"):
        load_enhancer(str(separating)).stream()


def test_command_writes_what_enhance_writes(model, noisy, tmp_path):
    stream.main(["--model", model, str(noisy), str(tmp_path / "s.wav"), "--chunk", "999", "--report"])
    assert enhance.main(["--model", model, str(noisy), "-o", str(tmp_path / "e")]) == 0
    streamed, enhanced = soundfile.read(tmp_path / "s.wav")[0], soundfile.read(tmp_path / "e" / "noisy.wav")[0]
    np.testing.assert_allclose(streamed, enhanced, atol=1.1 / 32768)


def test_command_writes_codes_for_decode(model, lyra, noisy, tmp_path, capsys):
    stream.main(["--model", model, str(noisy), str(tmp_path / "s.cse"), "--num_codebooks", "4"])
    arguments = ["--model", model, "--to", "codes", "--num_codebooks", "4", str(noisy), "-o", str(tmp_path / "e")]
    assert enhance.main(arguments) == 0
    with BitstreamReader(tmp_path / "s.cse") as streamed, BitstreamReader(tmp_path / "e" / "noisy.cse") as enhanced:
        assert streamed.header.num_samples == enhanced.header.num_samples == 16077
        assert streamed.header.fingerprint == load_codec(lyra).fingerprint
        assert np.array_equal(streamed.read(0, 100), enhanced.read(0, 100))
    # The receiver has the codec only.
    assert decode.main(["--codec", lyra, str(tmp_path / "s.cse"), "-o", str(tmp_path / "d")]) == 0
    assert soundfile.info(tmp_path / "d" / "s.wav").frames == 16077
    capsys.readouterr()
    # Codes are encoded already.
    assert encode.main(["--codec", lyra, str(noisy), "-o", str(tmp_path / "c")]) == 0
    with pytest.raises(UserError, match="enhances while it encodes"):
        enhance.main(["--model", model, "--from", "codes", str(tmp_path / "c"), "-o", str(tmp_path / "x")])


def test_command_refuses_what_does_not_fit(model, noisy, tmp_path):
    from tiny_models import save_causal_experiment

    causal = str(save_causal_experiment(tmp_path / "causal"))
    with pytest.raises(UserError, match="works on waveforms and makes no codes"):
        stream.main(["--model", causal, str(noisy), str(tmp_path / "s.cse")])
    with pytest.raises(UserError, match="--num_codebooks: .* works on waveforms"):
        stream.main(["--model", causal, str(noisy), str(tmp_path / "s.wav"), "--num_codebooks", "4"])
    with pytest.raises(UserError, match="--num_codebooks 7: the codec .* has 6"):
        stream.main(["--model", model, str(noisy), str(tmp_path / "s.wav"), "--num_codebooks", "7"])
    with pytest.raises(UserError, match="--int8: only matrices and LSTMs"):
        export_onnx.main([model, "--output", str(tmp_path / "m.onnx"), "--int8"])
    assert not list(tmp_path.glob("s.*"))


def test_ctrl_c_ends_a_stream_as_its_input_does(model, noisy, tmp_path, monkeypatch):
    import espnet_codecse.live.run as run

    opened = run.open_source

    @contextmanager
    def interrupted(*arguments):
        calls = iter(range(100))
        with opened(*arguments) as source:

            def read_a_while(count):
                if next(calls) == 10:
                    raise KeyboardInterrupt
                return source.read(count)

            yield replace(source, read=read_a_while)

    monkeypatch.setattr(run, "open_source", interrupted)
    for name in ("s.wav", "s.cse"):
        stream.main(["--model", model, str(noisy), str(tmp_path / name), "--chunk", "250"])
    assert soundfile.info(tmp_path / "s.wav").frames == 2500
    with BitstreamReader(tmp_path / "s.cse") as codes:
        assert codes.header.num_samples == 2500


@pytest.mark.slow
def test_exported_graph(model, lyra, noisy, tmp_path, monkeypatch):
    pytest.importorskip("onnxscript")
    monkeypatch.setenv("CODECSE_LYRA", lyra)
    forget_codecs()
    export_onnx.main([model, "--output", str(tmp_path / "m.onnx")])
    for name in (model, str(tmp_path / "m.onnx")):
        stream.main(["--model", name, str(noisy), str(tmp_path / "out.wav")])
        stream.main(["--model", name, str(noisy), str(tmp_path / "out.cse")])
        (tmp_path / "out.wav").rename(tmp_path / f"{'onnx' if name != model else 'torch'}.wav")
        (tmp_path / "out.cse").rename(tmp_path / f"{'onnx' if name != model else 'torch'}.cse")
    samples = [soundfile.read(tmp_path / f"{name}.wav")[0] for name in ("onnx", "torch")]
    np.testing.assert_allclose(samples[0], samples[1], atol=1.1 / 32768)
    with BitstreamReader(tmp_path / "onnx.cse") as one, BitstreamReader(tmp_path / "torch.cse") as other:
        assert (one.read(0, 100) != other.read(0, 100)).mean() < 0.01  # a rounding may turn a code
    other = str(save_lyra(tmp_path / "other", seed=1))
    with pytest.raises(UserError, match="use that codec"):
        stream.main(["--model", str(tmp_path / "m.onnx"), "--codec", other, str(noisy), str(tmp_path / "out.wav")])
    forget_codecs()


def test_a_graph_must_not_name_any_codec(tmp_path):
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper

    shape = helper.make_tensor_value_info("speech", TensorProto.FLOAT, [1, 1, HOP])
    result = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [1, 1, HOP])
    graph = helper.make_graph([helper.make_node("Identity", ["speech"], ["embedding"])], "g", [shape], [result])
    forged = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    for key, value in (("codec", "somebody/codec"), ("fingerprint", "0" * 16)):
        entry = forged.metadata_props.add()
        entry.key, entry.value = key, value
    onnx.save(forged, str(tmp_path / "forged.onnx"))
    with pytest.raises(UserError, match="no such folder or published codec"):
        build_streams(str(tmp_path / "forged.onnx"))
