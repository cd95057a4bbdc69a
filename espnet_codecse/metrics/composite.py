"""Composite measures CSIG, CBAK, COVL and segmental SNR (Hu and Loizou, 2008), as in papers on VoiceBank-DEMAND."""

import numpy as np

from espnet_codecse.metrics.abs_metric import AbsMetricFamily, Metric, Signals
from espnet_codecse.metrics.frames import windowed_frames
from espnet_codecse.metrics.registry import family_of, register

SAMPLE_RATE = 16000  # Hz
FRAME_SIZE, FRAME_STEP = 480, 120  # samples: 30 ms with an overlap of three quarters
LPC_ORDER = 16
KEPT = 0.95  # share of the frames to average, the best ones; the rest are outliers
FFT_SIZE = 1024
# Klatt's 25 critical bands: centre and width in Hz.
CENTRES = (
    50.0,
    120.0,
    190.0,
    260.0,
    330.0,
    400.0,
    470.0,
    540.0,
    617.372,
    703.378,
    798.717,
    904.128,
    1020.38,
    1148.30,
    1288.72,
    1442.54,
    1610.70,
    1794.16,
    1993.93,
    2211.08,
    2446.71,
    2701.97,
    2978.04,
    3276.17,
    3597.63,
)
WIDTHS = (
    70.0,
    70.0,
    70.0,
    70.0,
    70.0,
    70.0,
    70.0,
    77.3724,
    86.0056,
    95.3398,
    105.411,
    116.256,
    127.914,
    140.423,
    153.823,
    168.154,
    183.457,
    199.776,
    217.153,
    235.631,
    255.255,
    276.072,
    298.126,
    321.465,
    346.136,
)


def segmental_snr(reference: np.ndarray, estimate: np.ndarray) -> float:
    """Return the mean SNR of 30 ms frames in dB, each limited to -10 to 35 dB; nan if shorter than one frame."""
    clean = windowed_frames(reference, FRAME_SIZE, FRAME_STEP)
    noise = clean - windowed_frames(estimate, FRAME_SIZE, FRAME_STEP)
    if not len(clean):
        return float("nan")
    tiny = np.finfo(np.float64).eps
    ratio = 10 * np.log10(np.square(clean).sum(1) / (np.square(noise).sum(1) + tiny) + tiny)
    return float(np.clip(ratio, -10, 35).mean())


def _linear_prediction(frames: np.ndarray) -> "tuple[np.ndarray, np.ndarray]":
    """Return the autocorrelations ``(frame, order + 1)`` and the prediction error filters of the same shape."""
    spectrum = np.fft.rfft(frames, FFT_SIZE)  # FFT_SIZE is at least two frames less one sample: no wrapping
    correlation = np.fft.irfft(np.square(np.abs(spectrum)), FFT_SIZE)[:, : LPC_ORDER + 1]
    correlation[:, 0] += 1e-10  # silence also needs a filter
    filters = np.zeros_like(correlation)
    filters[:, 0] = 1.0
    error = correlation[:, 0].copy()
    for order in range(1, LPC_ORDER + 1):  # Levinson and Durbin
        reflection = -np.einsum("fi,fi->f", filters[:, :order], correlation[:, order:0:-1]) / error
        filters[:, 1 : order + 1] += reflection[:, None] * filters[:, order - 1 :: -1][:, :order]
        error *= 1 - np.square(reflection)
    return correlation, filters


def log_likelihood_ratio(reference: np.ndarray, estimate: np.ndarray) -> float:
    """Return the log-likelihood ratio of the estimate's and the clean speech's LPC filters, mean of the best 95 %."""
    correlation, clean = _linear_prediction(windowed_frames(reference, FRAME_SIZE, FRAME_STEP))
    _, processed = _linear_prediction(windowed_frames(estimate, FRAME_SIZE, FRAME_STEP))
    lags = np.abs(np.subtract.outer(np.arange(LPC_ORDER + 1), np.arange(LPC_ORDER + 1)))
    energies = (np.einsum("fi,fij,fj->f", filters, correlation[:, lags], filters) for filters in (processed, clean))
    return _mean_of_best(np.log(np.maximum(next(energies), 1e-300) / np.maximum(next(energies), 1e-300)))


def weighted_slope_distance(reference: np.ndarray, estimate: np.ndarray) -> float:
    """Return Klatt's (1982) weighted spectral slope distance, mean over the best 95 % of frames."""
    bins = np.arange(FFT_SIZE // 2) * SAMPLE_RATE / FFT_SIZE
    centres, widths = np.array(CENTRES)[:, None], np.array(WIDTHS)[:, None]
    first = np.floor(centres / (SAMPLE_RATE / FFT_SIZE)) * SAMPLE_RATE / FFT_SIZE
    filters = np.exp(-11 * np.square((bins - first) / widths)) * (widths.min() / widths)
    filters[filters < np.exp(-30 / (2 * 2.303))] = 0  # 30 dB down
    slopes, weights = [], []
    for speech in (reference, estimate):
        spectrum = np.fft.rfft(windowed_frames(speech, FRAME_SIZE, FRAME_STEP), FFT_SIZE)[:, : FFT_SIZE // 2]
        level = 10 * np.log10(np.maximum(np.square(np.abs(spectrum)) @ filters.T, 1e-10))
        slope = np.diff(level, axis=1)
        slopes.append(slope)
        # The constants 20 and 1 (dB) set how the distance to the highest and the nearest peak reduces a band's weight.
        from_highest = 20 / (20 + level.max(1, keepdims=True) - level[:, :-1])
        weights.append(from_highest / (1 + _nearest_peak(level, slope) - level[:, :-1]))
    weight = (weights[0] + weights[1]) / 2
    distance = (weight * np.square(slopes[0] - slopes[1])).sum(1) / weight.sum(1)
    return _mean_of_best(distance)


def _nearest_peak(level: np.ndarray, slope: np.ndarray) -> np.ndarray:
    """Return ``(frame, band - 1)``: for each band, the level of the last band uphill before the slope changes sign."""
    num_slopes = slope.shape[1]
    upwards, downwards = level[:, :-1].copy(), level[:, :-1].copy()
    for band in reversed(range(num_slopes - 1)):
        rises_on = slope[:, band + 1] > 0
        upwards[rises_on, band] = upwards[rises_on, band + 1]
    for band in range(1, num_slopes):
        falls_on = slope[:, band - 1] <= 0
        downwards[falls_on, band] = downwards[falls_on, band - 1]
    return np.where(slope > 0, upwards, downwards)


def _mean_of_best(distances: np.ndarray) -> float:
    if not len(distances):
        return float("nan")
    return float(np.sort(distances)[: max(1, round(len(distances) * KEPT))].mean())


@register()
class SegmentalSnr(AbsMetricFamily):
    """Segmental SNR at 16 kHz."""

    columns = (Metric("SSNR", SAMPLE_RATE, True, (-10.0, 35.0), True, "", "segmental SNR in dB, frames of 30 ms"),)

    def load(self) -> None:
        """Nothing to load."""

    def compute(self, signals: Signals) -> dict[str, float]:
        if not np.any(signals.reference):
            return {"SSNR": float("nan")}
        return {"SSNR": segmental_snr(signals.reference, signals.estimate)}


@register(group="COMPOSITE")
class Composite(AbsMetricFamily):
    """Predicted ratings of speech distortion, background and overall, from PESQ, LLR, WSS and segmental SNR.

    PESQ is wide-band, as in published tables on VoiceBank-DEMAND; the regression of Hu and Loizou used P.862.
    """

    columns = tuple(
        Metric(name, SAMPLE_RATE, True, (1.0, 5.0), True, "pesq", text)
        for name, text in (
            ("CSIG", "composite measure of speech distortion"),
            ("CBAK", "composite measure of background intrusiveness"),
            ("COVL", "composite measure of overall quality"),
        )
    )

    def load(self) -> None:
        self._pesq = family_of("PESQ")()
        self._pesq.load()

    def compute(self, signals: Signals) -> dict[str, float]:
        pesq = self._pesq.compute(signals)["PESQ"]
        llr = log_likelihood_ratio(signals.reference, signals.estimate)
        wss = weighted_slope_distance(signals.reference, signals.estimate)
        ssnr = segmental_snr(signals.reference, signals.estimate)
        values = {
            "CSIG": 3.093 - 1.029 * llr + 0.603 * pesq - 0.009 * wss,
            "CBAK": 1.634 + 0.478 * pesq - 0.007 * wss + 0.063 * ssnr,
            "COVL": 1.594 + 0.805 * pesq - 0.512 * llr - 0.007 * wss,
        }
        return {name: float(np.clip(value, 1.0, 5.0)) for name, value in values.items()}
