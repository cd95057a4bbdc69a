"""Arrays in, arrays out: the interface of ESPnet's SeparateSpeech."""

import inspect

import numpy as np
import pytest
import torch

import espnet_codecse
from espnet_codecse import SpeechEnhancer
from espnet_codecse.enh.enhancer import AutocastSeparator
from espnet_codecse.errors import UserError
from espnet_codecse.precision import has_native_bfloat16
from espnet_codecse.zoo.load import load_enhancer, resolve_dtype


@pytest.fixture(scope="module")
def enhancer(pack):
    return SpeechEnhancer.from_pretrained(pack, device="cpu", dtype="float32")


def test_it_is_an_attribute_of_the_package():
    assert espnet_codecse.SpeechEnhancer is SpeechEnhancer
    with pytest.raises(AttributeError, match="no attribute 'Other'"):
        _ = espnet_codecse.Other


@pytest.mark.slow
def test_the_same_call_as_separate_speech():
    from espnet2.bin.enh_inference import SeparateSpeech

    ours, stock = (list(inspect.signature(cls.__call__).parameters)[:3] for cls in (SpeechEnhancer, SeparateSpeech))
    assert ours == stock == ["self", "speech_mix", "fs"]
    stock = inspect.signature(SeparateSpeech.__init__).parameters
    assert {"train_config", "model_file", "device", "dtype", "normalize_output_wav", "ref_channel"} <= set(stock)
    assert {"train_config", "model_file"} <= set(inspect.signature(SpeechEnhancer.__init__).parameters)


@pytest.mark.parametrize("fs", [8000, 16000, 22050, 44100, 48000])
@pytest.mark.parametrize("num_samples", [1, 7, 4801])
def test_rates_and_lengths(enhancer, voice, fs, num_samples):
    noisy = np.stack([voice(num_samples, seed, fs) for seed in (1, 2, 3)[:num_samples]])
    outputs = enhancer(noisy, fs=fs)
    assert isinstance(outputs, list) and len(outputs) == enhancer.num_spk == 1
    assert outputs[0].shape == noisy.shape and outputs[0].dtype == np.float32 and np.isfinite(outputs[0]).all()


def test_what_it_takes(enhancer, noisy):
    (expected,) = enhancer(noisy)
    for given in (torch.from_numpy(noisy), noisy.astype(np.float64), np.stack([noisy, 0 * noisy], -1)):
        assert np.abs(enhancer(given, fs=16000, utt2category=None)[0] - expected).max() < 1e-6
    for wrong in (noisy[0], np.zeros((0, 100), np.float32), np.zeros((2, 0), np.float32)):
        with pytest.raises(ValueError, match="must be .batch, sample"):
            enhancer(wrong)
    with pytest.raises(ValueError, match="divide int16 by 32768"):
        enhancer((noisy * 32768).astype(np.int16))


@pytest.mark.parametrize("num_channels", [1, 2, 8])
def test_the_arrays_of_soundfile_are_refused(enhancer, voice, num_channels):
    x = np.stack([voice(1000, seed) for seed in range(num_channels)], axis=1)
    with pytest.raises(ValueError, match=rf"\(1000, {num_channels}\), which looks like \(sample, channel\): pass x.T"):
        enhancer(x)
    assert enhancer(x.T)[0].shape == (num_channels, 1000)
    assert np.array_equal(enhancer(x[None])[0], enhancer(x.T[:1])[0])
    assert enhancer(np.zeros((9, 9), np.float32))[0].shape == (9, 9)
    assert enhancer(np.zeros((8, 8), np.float32))[0].shape == (8, 8)


def test_the_batch_does_not_matter(enhancer, noisy):
    assert np.abs(enhancer(noisy)[0][1] - enhancer(noisy[1:])[0][0]).max() < 1e-6


def test_another_rate_comes_back_in_time(enhancer, voice):
    """What is resampled there and back is as it would be at the codec's rate."""
    from espnet_codecse.audio import resample

    noisy = voice(16000, 5)
    (direct,), (there_and_back,) = enhancer(noisy[None]), enhancer(resample(noisy, 16000, 48000)[None], fs=48000)
    again = resample(there_and_back[0], 48000, 16000)
    correlation = np.corrcoef(direct[0], again)[0, 1]
    assert correlation > 0.95


def test_long_recordings_go_in_segments(pack, voice):
    short = SpeechEnhancer.from_pretrained(pack, dtype="float32", segment_seconds=1.5)
    whole = SpeechEnhancer.from_pretrained(pack, dtype="float32")
    noisy = voice(70001, 3)[None]
    assert short(noisy)[0].shape == noisy.shape
    assert np.abs(short(noisy)[0] - whole(noisy)[0]).max() < 0.5 * np.abs(whole(noisy)[0]).max()


def test_peak(pack, noisy):
    loud = SpeechEnhancer.from_pretrained(pack, normalize_output_wav=True)
    assert np.allclose(np.abs(loud(noisy)[0]).max(axis=1), 0.9, atol=1e-4)
    assert not loud(0 * noisy)[0].any() or np.abs(loud(0 * noisy)[0]).max() <= 0.9 + 1e-4


def test_bfloat16_is_close_and_for_the_separator_alone(pack, noisy):
    exact, small = (load_enhancer(str(pack), device="cpu", dtype=dtype) for dtype in ("float32", "bfloat16"))
    assert isinstance(small.separator, AutocastSeparator) and not isinstance(exact.separator, AutocastSeparator)
    reference, output = (e.enhance_batch([noisy[0]])[0]["continuous"] for e in (exact, small))
    assert output.dtype == np.float32
    noise_db = 10 * np.log10(np.square(output - reference).sum() / np.square(reference).sum())
    assert -90 < noise_db < -25
    assert all(parameter.dtype == torch.float32 for parameter in small.codec.parameters())


def test_devices_and_types(pack):
    assert resolve_dtype("auto", "cpu") == (torch.bfloat16 if has_native_bfloat16("cpu") else torch.float32)
    for options, text in (
        ({"dtype": "int8"}, "--dtype int8: must be one of"),
        ({"device": "tpu"}, "--device tpu: must be one of"),
        ({"device": "cuda:x"}, "--device cuda:x: must be one of"),
        ({"device": "cuda:99"}, "--device cuda:99: PyTorch sees"),
        ({"num_steps": 6}, "--model_option num_steps: this model has no options"),
    ):
        with pytest.raises(UserError, match=text):
            load_enhancer(str(pack), **options)
    with pytest.raises(ValueError, match="layer 'other'"):
        SpeechEnhancer.from_pretrained(pack, layer="other")
