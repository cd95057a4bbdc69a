"""Every metric agrees with the package or networks that define it, and with its value for a perfect estimate."""

import numpy as np
import pytest

from espnet_codecse.metrics.abs_metric import Signals
from espnet_codecse.metrics.mel import mel_filterbank, mel_power_db
from espnet_codecse.metrics.registry import family_of

RATE = 16000


def speech_like(seconds=3.0, seed=0):
    """Harmonics of a gliding pitch with syllables of 4 Hz: enough for PESQ and STOI to find speech."""
    random = np.random.default_rng(seed)
    time = np.arange(int(seconds * RATE)) / RATE
    phase = 2 * np.pi * np.cumsum(120 + 30 * np.sin(2 * np.pi * 0.7 * time + seed)) / RATE
    voice = sum(np.cos(k * phase + seed) / k for k in range(1, 30))
    envelope = np.clip(np.sin(2 * np.pi * 2.0 * time), 0, 1) ** 0.5
    return (0.05 * voice * envelope + 1e-4 * random.normal(size=len(time))).astype(np.float32)


def noisy(speech, snr_db=5.0, seed=1):
    noise = np.random.default_rng(seed).normal(size=len(speech))
    noise *= np.sqrt(np.mean(speech**2) / np.mean(noise**2) / 10 ** (snr_db / 10))
    return (speech + noise).astype(np.float32)


def score(name, reference, estimate, rate=RATE):
    family = family_of(name)()
    family.load()
    return family.compute(Signals(estimate, rate, reference))[name]


@pytest.mark.parametrize("name", ["SI_SDR", "SDR"])
def test_sdr_agrees_with_fast_bss_eval(name):
    fast_bss_eval = pytest.importorskip("fast_bss_eval")
    for seed in range(3):
        reference = speech_like(1.5, seed).astype(np.float64)
        estimate = np.convolve(noisy(reference, 3.0 * seed), [0.9, 0.2, -0.1], mode="same")
        function = {"SI_SDR": fast_bss_eval.si_sdr, "SDR": fast_bss_eval.sdr}[name]
        expected = float(function(reference[None], estimate[None])[0])
        assert score(name, reference, estimate) == pytest.approx(expected, abs=1e-6)


def test_si_sdr_identities():
    speech = speech_like(1.0)
    noise = np.random.default_rng(0).normal(size=len(speech))
    noise -= (noise @ speech) / (speech.astype(np.float64) @ speech) * speech
    noise *= np.linalg.norm(speech) / np.linalg.norm(noise) / np.sqrt(10)
    assert score("SI_SDR", speech, speech + noise) == pytest.approx(10.0, abs=1e-3)
    assert score("SI_SDR", speech, -3.0 * (speech + noise)) == pytest.approx(10.0, abs=1e-3)
    assert score("SI_SDR", speech, speech) == 100.0 and score("SDR", speech, speech) > 90.0


def test_stoi_and_estoi_agree_with_pystoi_and_are_one_for_equal_signals():
    pystoi = pytest.importorskip("pystoi")
    reference = speech_like()
    estimate = noisy(reference)
    for name, extended in (("STOI", False), ("ESTOI", True)):
        expected = pystoi.stoi(reference, estimate, RATE, extended)
        assert score(name, reference, estimate) == pytest.approx(expected, abs=1e-9)
        assert score(name, reference, reference) == pytest.approx(1.0, abs=1e-6)


def test_pesq_of_equal_signals_is_the_top_of_the_scale():
    pytest.importorskip("pesq")
    speech = speech_like()
    assert score("PESQ", speech, speech) == pytest.approx(4.64, abs=0.005)
    assert score("PESQ_NB", speech[::2], speech[::2], 8000) == pytest.approx(4.55, abs=0.005)
    assert score("PESQ", speech, noisy(speech, 20)) > score("PESQ", speech, noisy(speech, 0))


@pytest.mark.parametrize("name", ["SI_SDR", "SDR", "PESQ", "STOI", "ESTOI"])
def test_silence_has_no_score(name):
    speech = speech_like(1.0)
    assert np.isnan(score(name, speech, np.zeros_like(speech))) and np.isnan(score(name, np.zeros_like(speech), speech))


@pytest.mark.parametrize("name", ["PESQ", "STOI"])
def test_too_short_has_no_score(name):
    speech = speech_like(0.1)
    assert np.isnan(score(name, speech, speech))


def test_mel_spectrogram_agrees_with_librosa():
    librosa = pytest.importorskip("librosa")
    speech = noisy(speech_like(1.0))
    ours = mel_power_db(speech, mel_filterbank(RATE, 321, 120), 321, 160)
    power = librosa.feature.melspectrogram(y=speech, sr=RATE, n_fft=321, hop_length=160, n_mels=120)
    assert np.allclose(ours, librosa.power_to_db(power, ref=np.max).T, atol=1e-3)


@pytest.mark.parametrize("seconds", [3.0, 11.5])
def test_dnsmos_equals_the_package_that_publishes_the_networks(seconds):
    dnsmos = pytest.importorskip("speechmos.dnsmos")
    estimate = noisy(speech_like(seconds), 15)
    expected = dnsmos.run(estimate, RATE)
    family = family_of("DNSMOS_OVRL")()
    family.load()
    ours = family.compute(Signals(estimate, RATE))
    for column, key in (("SIG", "sig_mos"), ("BAK", "bak_mos"), ("OVRL", "ovrl_mos"), ("P808", "p808_mos")):
        assert ours[f"DNSMOS_{column}"] == pytest.approx(float(expected[key]), abs=1e-4)
