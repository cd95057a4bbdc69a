"""The interface for people: arrays of any layout, lists, recordings, streams."""

import doctest

import numpy as np
import pytest
import soundfile
import torch
from tiny_models import save_causal_experiment, save_experiment

import espnet_codecse.zoo.speech_enhancer
import espnet_codecse.zoo.speech_stream
from espnet_codecse import SpeechEnhancer, SpeechSeparator, SpeechStream
from espnet_codecse.bin import enhance
from espnet_codecse.errors import UserError


@pytest.fixture(scope="module")
def enhancer(pack):
    return SpeechEnhancer.from_pretrained(pack, device="cpu", dtype="float32")


@pytest.fixture(scope="module")
def separator(tmp_path_factory, codec_folder):
    folder = save_experiment(tmp_path_factory.mktemp("separator") / "model", codec_folder, num_spk=2)
    return SpeechSeparator.from_pretrained(folder, device="cpu", dtype="float32")


def test_every_layout_comes_back_as_it_was(enhancer, voice):
    stereo = np.stack([voice(4000, 0), voice(4000, 1)], axis=1)
    expected = [enhancer(stereo.T)[0][channel] for channel in (0, 1)]
    for given, result in (
        (stereo[:, 0], expected[0]),
        (stereo, np.stack(expected, axis=1)),
        (stereo.T, np.stack(expected)),
        (torch.from_numpy(stereo), np.stack(expected, axis=1)),
        (stereo[:, :1], expected[0][:, None]),
    ):
        found = enhancer.enhance(given)
        assert found.dtype == np.float32 and found.flags.c_contiguous
        np.testing.assert_allclose(found, result, atol=1e-6)


def test_lists_of_other_lengths_and_rates_of_recordings(enhancer, voice, tmp_path, capsys):
    noisy = voice(6000, 0, 8000)
    soundfile.write(tmp_path / "x.wav", noisy, 8000, subtype="FLOAT")
    results = enhancer.enhance([noisy[:100], tmp_path / "x.wav", str(tmp_path / "x.wav")], progress=True)
    assert [result.shape for result in results] == [(100,), (6000,), (6000,)]
    np.testing.assert_allclose(results[1], enhancer.enhance(noisy, fs=8000), atol=1e-6)
    assert "3/3" in capsys.readouterr().err
    with pytest.raises(ValueError, match="x.wav: fs is that of an array"):
        enhancer.enhance(tmp_path / "x.wav", fs=8000)
    with pytest.raises(UserError, match="nowhere.wav: no such audio file"):
        enhancer.enhance("nowhere.wav")


@pytest.mark.parametrize(
    "given, message",
    [
        (np.zeros((2, 0), np.float32), r"shape \(2, 0\); it must be"),
        (np.zeros((2, 3, 4), np.float32), r"shape \(2, 3, 4\)"),
        (np.zeros(9, np.int16), "audio is int16; it must be floating point: divide"),
        (np.array([[0, 1, np.nan], [np.inf, 0, 0]]), r"2 samples are NaN or infinite, the first at index \(0, 2\)"),
    ],
)
def test_what_is_no_audio(enhancer, given, message):
    with pytest.raises(ValueError, match=message):
        enhancer.enhance(given)


@pytest.mark.parametrize("name", ["clean.wav", "clean.flac"])
def test_files_as_the_command_writes_them(pack, enhancer, voice, tmp_path, name):
    soundfile.write(tmp_path / "noisy.wav", np.stack([voice(9000, 0), voice(9000, 1)], axis=1), 22050)
    written = enhancer.enhance_file(tmp_path / "noisy.wav", tmp_path / "new" / name)
    assert written == [tmp_path / "new" / name]
    options = ["--model", str(pack), "--dtype", "float32", "--format", name.split(".")[1], "-o", str(tmp_path / "e")]
    assert enhance.main([str(tmp_path / "noisy.wav"), *options]) == 0
    found, expected = (soundfile.read(path)[0] for path in (written[0], tmp_path / "e" / f"noisy.{name[6:]}"))
    np.testing.assert_allclose(found, expected, atol=1.1 / 32768)
    assert soundfile.info(enhancer.enhance_file(tmp_path / "noisy.wav", tmp_path / "m.wav", mono=True)[0]).channels == 1
    same = enhancer.enhance_file(tmp_path / "noisy.wav", tmp_path / "same.wav", mix=0.0)[0]
    np.testing.assert_array_equal(soundfile.read(same)[0], soundfile.read(tmp_path / "noisy.wav")[0])


@pytest.mark.parametrize("num_samples", [1, 100, 401])
@pytest.mark.parametrize("fs", [16000, 48000])
def test_files_shorter_than_a_frame_of_a_causal_model(voice, tmp_path, num_samples, fs):
    causal = SpeechEnhancer.from_pretrained(save_causal_experiment(tmp_path / "model"))
    soundfile.write(tmp_path / "x.wav", np.stack([voice(num_samples, 0, fs)] * 2, axis=1), fs)
    (written,) = causal.enhance_file(tmp_path / "x.wav", tmp_path / "y.wav")
    assert soundfile.info(written).frames == num_samples


def test_files_that_cannot_be(enhancer, voice, tmp_path):
    soundfile.write(tmp_path / "noisy.wav", voice(900, 0), 16000)
    for target, message in (
        ("noisy.wav", "is the recording itself"),
        ("x.xyz", "no format has this suffix; known: wav"),
    ):
        with pytest.raises(UserError, match=message):
            enhancer.enhance_file(tmp_path / "noisy.wav", tmp_path / target)
    with pytest.raises(UserError, match="missing.wav: no such audio file"):
        enhancer.enhance_file(tmp_path / "missing.wav", tmp_path / "y.wav")


def test_speakers(separator, enhancer, voice, tmp_path):
    mixture = np.stack([voice(5000, 0), voice(5000, 1)], axis=1)
    speakers = separator.separate(mixture)
    assert [speaker.shape for speaker in speakers] == [(5000, 2)] * 2
    np.testing.assert_allclose(np.stack(speakers)[:, :, 1], np.stack(separator(mixture.T))[:, 1], atol=1e-6)
    assert len(separator.separate([mixture, mixture[:, 0]])) == 2
    with pytest.raises(ValueError, match="separates 2 speakers; use SpeechSeparator"):
        separator.enhance(mixture)
    soundfile.write(tmp_path / "x.wav", mixture, 16000)
    files = separator.enhance_file(tmp_path / "x.wav", tmp_path / "out.wav")
    assert [path.name for path in files] == ["out.spk1.wav", "out.spk2.wav"] and all(
        map(soundfile.info, map(str, files))
    )


@pytest.mark.parametrize("fs", [16000, 44100])
def test_a_stream_in_blocks(voice, tmp_path, fs):
    model = save_causal_experiment(tmp_path / "model")
    stream = SpeechStream.from_pretrained(model, fs=fs, num_channels=2)
    samples = np.stack([voice(9000, 0), voice(9000, 1)], axis=1)

    def streamed() -> np.ndarray:
        pieces = [stream.process(block) for block in np.split(samples, [100, 101, 5000])]
        return np.concatenate([*pieces, stream.flush()])

    found = streamed()
    assert found.shape == samples.shape and stream.hop == 320 and stream.latency_seconds >= 0.025
    stream.process(samples[:777])
    stream.reset()
    np.testing.assert_array_equal(streamed(), found)
    if fs == 16000:
        expected = SpeechEnhancer.from_pretrained(model, dtype="float32").enhance(samples)
        np.testing.assert_allclose(found, expected, atol=1e-5)
    assert SpeechStream.from_pretrained(model).process(voice(2000)).ndim == 1
    for block, message in ((samples[:, 0], "the stream has 2 channel"), (np.zeros((9, 2), np.int16), "divide int16")):
        with pytest.raises(ValueError, match=message):
            stream.process(block)


def test_the_examples_of_the_documentation():
    for module, least in ((espnet_codecse.zoo.speech_enhancer, 6), (espnet_codecse.zoo.speech_stream, 4)):
        found = doctest.testmod(module)
        assert found.attempted >= least and not found.failed
