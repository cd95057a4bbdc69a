"""Distances between short-time spectra: log-spectral and mel-cepstral."""

import numpy as np

from espnet_codecse.metrics.abs_metric import AbsMetricFamily, Metric, Signals
from espnet_codecse.metrics.frames import FLOOR, log_spectral_distance, power_spectra
from espnet_codecse.metrics.mel import mel_filterbank
from espnet_codecse.metrics.registry import register

SAMPLE_RATE = 16000  # Hz
FRAME_SIZE, FRAME_STEP = 512, 256  # samples
NUM_MELS, NUM_CEPSTRA = 80, 24


def _power(speech: np.ndarray) -> np.ndarray:
    """Return power spectra ``(frame, bin)``."""
    return power_spectra(speech, FRAME_SIZE, FRAME_STEP)


@register()
class LogSpectralDistance(AbsMetricFamily):
    """RMS difference of log spectra over frequency, mean over frames (Gray and Markel, 1976)."""

    columns = (Metric("LSD", SAMPLE_RATE, True, (0.0, float("inf")), False, "", "log-spectral distance in dB"),)

    def load(self) -> None:
        """Nothing to load."""

    def compute(self, signals: Signals) -> dict[str, float]:
        clean, enhanced = _power(signals.reference), _power(signals.estimate)
        return {"LSD": log_spectral_distance(clean, enhanced) if len(clean) else float("nan")}


@register()
class MelCepstralDistortion(AbsMetricFamily):
    """``10 / ln 10 sqrt(2 sum (c_d - c'_d)^2)`` over cepstra 1 to 24 (Kubichek, 1993), mean over frames.

    The cepstra are the cosine series of the log amplitudes of 80 mel bands. There is no time alignment, since
    enhancement keeps the timing. Values differ from those with cepstra of WORLD or SPTK.
    """

    columns = (Metric("MCD", SAMPLE_RATE, True, (0.0, float("inf")), False, "", "mel-cepstral distortion in dB"),)

    def load(self) -> None:
        self._filterbank = mel_filterbank(SAMPLE_RATE, FRAME_SIZE, NUM_MELS)
        band = np.arange(NUM_MELS) + 0.5
        # log amplitude = sum over d of c_d cos(d w), the definition of mel-cepstra, so that distances are in dB.
        self._series = 2 / NUM_MELS * np.cos(np.pi / NUM_MELS * np.outer(np.arange(1, NUM_CEPSTRA + 1), band))

    def compute(self, signals: Signals) -> dict[str, float]:
        cepstra = [
            0.5 * np.log(_power(speech) @ self._filterbank.T + FLOOR) @ self._series.T
            for speech in (signals.reference, signals.estimate)
        ]
        if not len(cepstra[0]):
            return {"MCD": float("nan")}
        squares = np.square(cepstra[0] - cepstra[1]).sum(1)
        return {"MCD": float((10 / np.log(10) * np.sqrt(2 * squares)).mean())}
