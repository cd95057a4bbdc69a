"""Measures of the band from 8 to 20 kHz, for recordings at 44.1 kHz or more."""

import numpy as np

from espnet_codecse.activity import FRAME_SECONDS, find_pauses, frame_powers
from espnet_codecse.metrics.abs_metric import AbsMetricFamily, Metric, Signals
from espnet_codecse.metrics.frames import FLOOR, log_spectral_distance, power_spectra
from espnet_codecse.metrics.registry import register

SAMPLE_RATE = 48000  # Hz
FRAME_SIZE, FRAME_STEP = 1024, 512  # samples
BAND = (8000.0, 20000.0)  # Hz


def _power(signal: np.ndarray) -> np.ndarray:
    """Return power spectra ``(frame, bin)`` of the band."""
    frequencies = np.fft.rfftfreq(FRAME_SIZE, 1.0 / SAMPLE_RATE)
    inside = (frequencies >= BAND[0]) & (frequencies < BAND[1])
    return power_spectra(signal, FRAME_SIZE, FRAME_STEP)[:, inside]


def _in_pauses(speech: np.ndarray, num_frames: int) -> np.ndarray:
    """Return the mask ``(frame,)`` of frames that lie in a pause as a whole."""
    size = round(FRAME_SECONDS * SAMPLE_RATE)
    paused = np.zeros(len(speech) + 1, int)
    for first, end in find_pauses(frame_powers(speech, SAMPLE_RATE)):
        paused[first * size + 1 : end * size + 1] = 1
    sums = np.cumsum(paused)
    starts = FRAME_STEP * np.arange(num_frames)
    return sums[starts + FRAME_SIZE] - sums[starts] == FRAME_SIZE


@register("HIGH_BAND")
class HighBand(AbsMetricFamily):
    """Distance of the speech above 8 kHz, and how much of the noise there is gone where the speech pauses."""

    columns = (
        Metric("LSD_HIGH", SAMPLE_RATE, True, (0.0, float("inf")), False, "", "log-spectral distance, 8-20 kHz, dB",
               needs_mixture=True),
        Metric("NR_HIGH", SAMPLE_RATE, True, (-float("inf"), float("inf")), True, "",
               "noise reduction in pauses, 8-20 kHz, dB", needs_mixture=True),
    )  # fmt: skip

    def load(self) -> None:
        """Nothing to load."""

    def compute(self, signals: Signals) -> dict[str, float]:
        clean, enhanced, noisy = (_power(signal) for signal in (signals.reference, signals.estimate, signals.mixture))
        scores = {"LSD_HIGH": float("nan"), "NR_HIGH": float("nan")}
        if len(clean):
            scores["LSD_HIGH"] = log_spectral_distance(clean, enhanced)
        pauses = _in_pauses(signals.reference, len(clean))
        if pauses.any():
            left = [power[pauses].mean() + FLOOR for power in (noisy, enhanced)]
            scores["NR_HIGH"] = float(10 * np.log10(left[0] / left[1]))
        return scores
