"""Every metric agrees with the package or networks that define it, and with its value for a perfect estimate."""

from pathlib import Path

import numpy as np
import pytest
import torch
from metric_signals import RATE, noisy, score, speech_like

from espnet_codecse.metrics.abs_metric import Signals
from espnet_codecse.metrics.dnsmos import FIT
from espnet_codecse.metrics.mel import mel_filterbank, mel_power_db
from espnet_codecse.metrics.registry import family_of


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


@pytest.mark.parametrize("seconds", [0.3, 5.0, 11.0])
def test_distillmos_agrees_with_its_package(seconds, capsys):
    package = pytest.importorskip("distillmos")
    speech = noisy(speech_like(seconds), 5)
    with torch.inference_mode():
        expected = float(package.ConvTransformerSQAModel().eval()(torch.from_numpy(speech)[None]))
    capsys.readouterr()
    assert score("DISTILLMOS", None, speech) == pytest.approx(expected, abs=1e-5)
    assert np.isnan(score("DISTILLMOS", None, np.zeros_like(speech)))
    assert capsys.readouterr().out == ""


def test_srmr_agrees_with_torchmetrics(recwarn):
    pytest.importorskip("gammatone")
    package = pytest.importorskip("torchmetrics.functional.audio")
    speech = speech_like(2.0)
    value = score("SRMR", None, speech)
    assert not recwarn.list
    expected = package.speech_reverberation_modulation_energy_ratio(torch.from_numpy(speech), RATE, fast=True)
    assert value == pytest.approx(float(expected), abs=1e-6)
    assert np.isnan(score("SRMR", None, np.zeros_like(speech))) and np.isnan(score("SRMR", None, speech[:4000]))
    assert score("SRMR", None, speech[:4200]) > 0


@pytest.mark.parametrize("name", ["SI_SDR", "SDR", "PESQ", "STOI", "ESTOI"])
def test_silence_has_no_score(name):
    speech = speech_like(1.0)
    assert np.isnan(score(name, speech, np.zeros_like(speech))) and np.isnan(score(name, np.zeros_like(speech), speech))


@pytest.mark.parametrize("name", ["PESQ", "STOI"])
def test_too_short_has_no_score(name):
    speech = speech_like(0.1)
    assert np.isnan(score(name, speech, speech))


@pytest.mark.slow
def test_mel_spectrogram_agrees_with_librosa():
    librosa = pytest.importorskip("librosa")
    speech = noisy(speech_like(1.0))
    ours = mel_power_db(speech, mel_filterbank(RATE, 321, 120), 321, 160)
    power = librosa.feature.melspectrogram(y=speech, sr=RATE, n_fft=321, hop_length=160, n_mels=120)
    assert np.allclose(ours, librosa.power_to_db(power, ref=np.max).T, atol=1e-3)


@pytest.mark.slow
def test_log_spectral_and_mel_cepstral_distance():
    speech = speech_like(1.0)
    assert score("LSD", speech, speech) == score("MCD", speech, speech) == 0
    # One gain for all frequencies is that gain in every bin, and in no cepstrum but the one left out.
    assert score("LSD", noisy(speech), 0.5 * noisy(speech)) == pytest.approx(20 * np.log10(2), abs=0.01)
    assert score("MCD", noisy(speech), 0.5 * noisy(speech)) < 0.01
    librosa = pytest.importorskip("librosa")
    window = np.hanning(514)[1:-1]
    levels = [
        librosa.power_to_db(
            np.abs(librosa.stft(x.astype(np.float64), n_fft=512, hop_length=256, window=window, center=False)) ** 2,
            amin=1e-10,
            top_db=None,
        )
        for x in (speech, noisy(speech))
    ]
    expected = np.sqrt(np.mean((levels[0] - levels[1]) ** 2, axis=0)).mean()
    assert score("LSD", speech, noisy(speech)) == pytest.approx(expected, rel=1e-3)


def test_mel_cepstral_distortion_is_the_distance_of_smoothed_log_spectra():
    """By Parseval: the root mean square, in dB, of what the cepstra 1 to 24 describe."""
    from scipy.fft import dct

    from espnet_codecse.metrics.frames import windowed_frames

    speech = speech_like(1.0)
    filterbank = mel_filterbank(RATE, 512, 80)
    cepstra = []
    for signal in (speech, noisy(speech)):
        power = np.abs(np.fft.rfft(windowed_frames(signal, 512, 256))) ** 2
        cepstra.append(dct(10 * np.log10(power @ filterbank.T + 1e-10), norm="ortho")[:, 1:25] / np.sqrt(80))
    expected = np.sqrt(np.sum((cepstra[0] - cepstra[1]) ** 2, axis=1)).mean()
    assert score("MCD", speech, noisy(speech)) == pytest.approx(expected, rel=1e-5)


def test_sir_and_sar_agree_with_fast_bss_eval_and_need_a_second_speaker():
    fast_bss_eval = pytest.importorskip("fast_bss_eval")
    torch = pytest.importorskip("torch")
    references = np.stack([speech_like(1.5, seed) for seed in (0, 1)])
    estimates = np.stack([references[0] + 0.3 * references[1], references[1]]) + 0.01 * noisy(references[0], -20)
    both = (torch.from_numpy(signals).double() for signals in (references, estimates))
    family = family_of("SIR")()
    family.load()  # on one thread: after torch.set_num_threads(2), MKL's LU decomposition fails in torch 2.13
    _, sir, sar, _ = fast_bss_eval.bss_eval_sources(*both)
    for index in range(2):
        signals = Signals(estimates[index], RATE, references[index], others=(references[1 - index],))
        ours = family.compute(signals)
        assert ours["SIR"] == pytest.approx(float(sir[index]), abs=1e-4)
        assert ours["SAR"] == pytest.approx(float(sar[index]), abs=1e-4)
    assert np.isnan(family.compute(Signals(estimates[0], RATE, references[0]))["SIR"])


def test_sdr_sir_and_sar_agree_with_mir_eval():
    pytest.importorskip("mir_eval")
    references = [speech_like(1.0, seed) for seed in (0, 1)]
    estimate = noisy(references[0] + 0.3 * references[1], 15)
    signals = Signals(estimate, RATE, references[0], others=(references[1],))
    families = {name: family_of(name)() for name in ("MIR_SDR", "SIR", "SDR")}
    for family in families.values():
        family.load()
    theirs = families["MIR_SDR"].compute(signals)
    ours = {**families["SIR"].compute(signals), **families["SDR"].compute(signals)}
    for name in ("SDR", "SIR", "SAR"):
        assert ours[name] == pytest.approx(theirs[f"MIR_{name}"], abs=0.01)
    assert np.isnan(families["MIR_SDR"].compute(Signals(estimate, RATE, references[0]))["MIR_SIR"])


@pytest.mark.slow
@pytest.mark.parametrize(
    "prefix, kind, fit",
    [
        ("DNSMOS_RAW", "dnsmos", False),
        ("PDNSMOS", "dnsmos_personalized", True),
        ("PDNSMOS_RAW", "dnsmos_personalized", False),
    ],
)
def test_variants_of_dnsmos(prefix, kind, fit, monkeypatch):
    dnsmos = pytest.importorskip("speechmos.dnsmos")
    if not fit:
        monkeypatch.setattr(dnsmos.DNSMOS, "get_polyfit_val", lambda self, *values: values[:3])
    estimate = noisy(speech_like(3.0), 15)
    expected = dnsmos.run(estimate, RATE, model_type=kind)
    family = family_of(f"{prefix}_OVRL")()
    family.load()
    for column, value in family.compute(Signals(estimate, RATE)).items():
        assert value == pytest.approx(float(expected[f"{column.rsplit('_')[-1].lower()}_mos"]), abs=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [3.0, 11.5, 19.5])
def test_dnsmos_equals_the_package_that_publishes_the_networks(seconds):
    dnsmos = pytest.importorskip("speechmos.dnsmos")
    estimate = noisy(speech_like(seconds), 15)
    expected = dnsmos.run(estimate, RATE)
    family = family_of("DNSMOS_OVRL")()
    family.load()
    ours = family.compute(Signals(estimate, RATE))
    for column, key in (("SIG", "sig_mos"), ("BAK", "bak_mos"), ("OVRL", "ovrl_mos"), ("P808", "p808_mos")):
        assert ours[f"DNSMOS_{column}"] == pytest.approx(float(expected[key]), abs=1e-4)


@pytest.mark.slow
def test_dnsmos_at_the_peak_does_not_depend_on_level():
    pytest.importorskip("speechmos")
    estimate = noisy(speech_like(3.0), 15)
    loud = (estimate / np.abs(estimate).max()).astype(np.float32)
    family, usual = (family_of(f"{name}_OVRL")() for name in ("DNSMOS_PEAK", "DNSMOS"))
    family.load()
    usual.load()
    expected = list(usual.compute(Signals(loud, RATE)).values())
    for gain in (1.0, 0.05, 3.0):
        found = family.compute(Signals(gain * loud, RATE))
        assert list(found) == [f"DNSMOS_PEAK_{name}" for name in ("SIG", "BAK", "OVRL", "P808")]
        assert list(found.values()) == pytest.approx(expected, abs=1e-3)
    assert usual.compute(Signals(0.05 * loud, RATE))["DNSMOS_OVRL"] != pytest.approx(expected[2], abs=0.01)


@pytest.mark.slow
def test_dnsmos_of_all_windows():
    speechmos = pytest.importorskip("speechmos")
    onnxruntime = pytest.importorskip("onnxruntime")
    # The windows from the eighth second on are those that speechmos leaves out.
    estimate = np.concatenate([noisy(speech_like(9.0, 0), 15), noisy(speech_like(11.0, 1), 0)])
    family, usual = (family_of(f"{name}_OVRL")() for name in ("DNSMOS_ALL_WINDOWS", "DNSMOS"))
    family.load()
    usual.load()
    network = onnxruntime.InferenceSession(str(Path(speechmos.__path__[0]) / "dnsmos_models" / "sig_bak_ovr.onnx"))
    windows = [estimate[start * RATE :][:144160].astype(np.float32) for start in range(11)]
    raw = np.concatenate([network.run(None, {"input_1": window[None]})[0] for window in windows])
    wanted = [np.polyval(fit, values).mean() for fit, values in zip(FIT, raw.T)]
    found = family.compute(Signals(estimate, RATE))
    assert list(found.values()) == pytest.approx(wanted, abs=1e-6)
    assert abs(found["DNSMOS_ALL_WINDOWS_OVRL"] - usual.compute(Signals(estimate, RATE))["DNSMOS_OVRL"]) > 0.01
