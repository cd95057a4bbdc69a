"""Lyra V2 against its graphs as Google's runtime computes them, on a random small network and on the published one.

The published graphs round activations to 8 bits: some 20 layers of the encoder give results of 24 to 36 dB SNR. Our
network in float32 is therefore 20 dB away from them, and sounds no worse. With activations rounded in the same places
it gives the same codes and waveforms: nothing else differs.
"""

from pathlib import Path

import lyra_reference as reference
import numpy as np
import pytest
import soundfile
import torch
from tiny_lyra import save_lyra

from espnet_codecse.codec.lyra.codec import DECODER, ENCODER, FILES, LyraCodec

pytest.importorskip("ai_edge_litert.interpreter", reason="Google's runtime is missing: pip install ai-edge-litert")

NUM_FRAMES = 100
SPEECH = Path(__file__).resolve().parents[4] / "shared" / "data" / "mini_real" / "test" / "speech"


@pytest.fixture(scope="module")
def published() -> Path:
    folder = reference.published_folder()
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        pytest.skip(f"no {missing[0]} in {folder}: run tools/installers/lyra.sh and set CODECSE_LYRA to its folder")
    return folder


@pytest.fixture(scope="module")
def recordings() -> list:
    """Read two seconds of some clean recordings of speech."""
    files = sorted(SPEECH.rglob("*.flac"))[::21]
    if not files:
        pytest.skip(f"no recordings of speech in {SPEECH}")
    samples = [soundfile.read(file, dtype="float32", start=8000, frames=NUM_FRAMES * 320)[0] for file in files]
    return [item for item in samples if len(item) == NUM_FRAMES * 320]


def snr(expected: np.ndarray, found: np.ndarray) -> float:
    """Return the ratio of signal to difference in dB."""
    return 10 * np.log10(np.square(expected).sum() / max(np.square(expected - found).sum(), 1e-20))


def encode(codec: LyraCodec, speech: np.ndarray) -> np.ndarray:
    return codec.encode(torch.from_numpy(speech)[None], torch.tensor([len(speech)]))[0][0].numpy()


def decode(codec: LyraCodec, embedding: np.ndarray) -> np.ndarray:
    lengths, num_samples = torch.tensor([len(embedding)]), len(embedding) * 320
    return codec.decode(torch.from_numpy(embedding)[None], lengths, num_samples)[0].numpy()


def quantize(codec: LyraCodec, embedding: np.ndarray, num_codebooks: int | None = None) -> np.ndarray:
    return codec.quantize(torch.from_numpy(embedding)[None], num_codebooks=num_codebooks)[1][0].numpy()


def test_a_float_network_gives_what_the_runtime_gives(tmp_path, voice):
    folder = save_lyra(tmp_path / "lyra", in_8_bits=False)
    codec, speech = LyraCodec(folder, ""), 5 * voice(NUM_FRAMES * 320)
    embedding = reference.encode(folder, speech)
    assert snr(embedding, encode(codec, speech)) > 100
    assert snr(reference.decode(folder, embedding), decode(codec, embedding)) > 100
    codes = reference.run(folder / "quantizer.tflite", embedding[:, None, None])[..., 0].T
    assert np.array_equal(codes, quantize(codec, embedding))


def test_an_8_bit_network_differs_by_its_rounding(tmp_path, voice):
    folder = save_lyra(tmp_path / "lyra")
    speech = 5 * voice(NUM_FRAMES * 320)
    embedding = reference.encode(folder, speech)
    speech_again = reference.decode(folder, embedding)
    exact, rounded = LyraCodec(folder, ""), reference.with_rounding(folder)
    assert snr(embedding, encode(exact, speech)) < 30 < 35 < snr(embedding, encode(rounded, speech))
    assert snr(speech_again, decode(exact, embedding)) < 30 < 35 < snr(speech_again, decode(rounded, embedding))


@pytest.mark.parametrize("name", [ENCODER, DECODER])
def test_each_layer_alone_differs_by_its_rounding(published, recordings, name):
    """Every layer gets what the graph's own got: float ones give the same, others the same but for one rounding."""
    codec, path = LyraCodec(published, ""), published / name
    frames = recordings[0].reshape(-1, 1, 320)
    if name == DECODER:
        frames = reference.encode(published, recordings[0])[:, None, None]
    layers = codec.encoder if name == ENCODER else codec.decoder
    in_float, in_steps = [], []
    for _, found, expected, rounding in reference.layer_by_layer(path, list(layers), frames[20:40]):
        if rounding is None:
            in_float.append((found - expected).abs().max() / expected.abs().max())
        else:
            in_steps.append((rounding.cut(found) - expected).abs().max() / rounding.step)
    assert max(in_float) < 1e-5
    assert 0.4 < max(in_steps) < 0.75  # rounded to the nearest, and by slopes of 8 bits


@pytest.mark.parametrize("num_codebooks", [16, 30, 46])
def test_quantiser(published, recordings, num_codebooks):
    codec, embedding = LyraCodec(published, ""), reference.encode(published, recordings[0])
    codes, decoded = reference.quantize(published, embedding, num_codebooks)
    assert codec.num_codebooks == 46 and (codes[num_codebooks:] == -1).all()
    own = quantize(codec, embedding, num_codebooks)
    assert (own == codes[:num_codebooks]).mean() > 0.999
    dequantized = codec.dequantize(torch.from_numpy(codes[None, :num_codebooks].astype(np.int64)))[0].numpy()
    assert snr(decoded, dequantized) > 100


def test_with_the_same_rounding_all_agrees(published, recordings):
    codec = reference.with_rounding(published)
    equal, ratios = [], []
    for speech in recordings:
        embedding = reference.encode(published, speech)
        codes, decoded = reference.quantize(published, embedding, 46)
        equal.append((quantize(codec, encode(codec, speech))[:4] == codes[:4]).all(0))
        ratios.append(snr(reference.decode(published, decoded), decode(codec, decoded)))
    assert np.concatenate(equal).mean() >= 0.95
    assert np.mean(ratios) >= 30


def test_without_rounding_speech_is_no_worse(published, recordings):
    pesq = pytest.importorskip("pesq").pesq
    exact, rounded = LyraCodec(published, ""), reference.with_rounding(published)
    scores = []
    for speech in recordings:
        _codes, decoded = reference.quantize(published, reference.encode(published, speech), 46)
        outputs = [reference.decode(published, decoded), *(decode(codec, decoded) for codec in (rounded, exact))]
        scores.append([pesq(16000, speech, output, "wb") for output in outputs])
    theirs, same, ours = np.mean(scores, axis=0)
    assert abs(same - theirs) <= 0.03 and ours >= theirs - 0.03
