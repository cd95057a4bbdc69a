"""Composite measures against their definitions written out frame by frame."""

import numpy as np
import pytest
from metric_signals import noisy, score, speech_like
from scipy.linalg import solve_toeplitz

from espnet_codecse.metrics import composite


def frames_of(speech):
    window = np.sin(np.pi * np.arange(1, 481) / 481) ** 2
    return [speech[start : start + 480].astype(np.float64) * window for start in range(0, len(speech) - 479, 120)]


def mean_of_best(values):
    values = sorted(values)
    return np.mean(values[: round(0.95 * len(values))])


def pairs():
    speech = speech_like(1.0)
    return frames_of(speech), frames_of(noisy(speech, 5)), speech, noisy(speech, 5)


def test_segmental_snr():
    clean, processed, speech, estimate = pairs()
    ratios = [10 * np.log10(np.sum(c**2) / np.sum((c - p) ** 2)) for c, p in zip(clean, processed)]
    assert composite.segmental_snr(speech, estimate) == pytest.approx(np.mean(np.clip(ratios, -10, 35)), abs=1e-6)
    assert composite.segmental_snr(speech, speech) == 35


def test_log_likelihood_ratio_with_filters_by_a_linear_system():
    clean, processed, speech, estimate = pairs()

    def analysed(frame):
        correlation = np.array([frame[: len(frame) - lag] @ frame[lag:] for lag in range(17)])
        correlation[0] += 1e-10
        return correlation, np.concatenate([[1.0], -solve_toeplitz(correlation[:-1], correlation[1:])])

    values = []
    for one, other in zip(clean, processed):
        (correlation, best), (_, fitted) = analysed(one), analysed(other)
        matrix = np.array([[correlation[abs(i - j)] for j in range(17)] for i in range(17)])
        values.append(np.log((fitted @ matrix @ fitted) / (best @ matrix @ best)))
    assert composite.log_likelihood_ratio(speech, estimate) == pytest.approx(mean_of_best(values), rel=1e-5)
    assert composite.log_likelihood_ratio(speech, speech) == 0


@pytest.mark.slow
def test_slope_distance_band_by_band():
    clean, processed, speech, estimate = pairs()

    def levels(frame):
        power = np.abs(np.fft.fft(frame, 1024)[:512]) ** 2
        result = []
        for centre, width in zip(composite.CENTRES, composite.WIDTHS):
            position, spread = np.floor(centre / 8000 * 512), width / 8000 * 512
            shape = np.exp(-11 * ((np.arange(512) - position) / spread) ** 2 + np.log(70) - np.log(width))
            result.append(10 * np.log10(max(power @ (shape * (shape >= np.exp(-30 / (2 * 2.303)))), 1e-10)))
        return np.array(result)

    def weights(level, slope):
        values = []
        for band in range(24):
            position = band
            if slope[band] > 0:
                while position < 24 and slope[position] > 0:
                    position += 1
                peak = level[position - 1]
            else:
                while position >= 0 and slope[position] <= 0:
                    position -= 1
                peak = level[position + 1]
            values.append(20 / (20 + level.max() - level[band]) * 1 / (1 + peak - level[band]))
        return np.array(values)

    distances = []
    for one, other in zip(clean, processed):
        first, second = levels(one), levels(other)
        slopes = np.diff(first), np.diff(second)
        weight = (weights(first, slopes[0]) + weights(second, slopes[1])) / 2
        distances.append(np.sum(weight * (slopes[0] - slopes[1]) ** 2) / weight.sum())
    assert composite.weighted_slope_distance(speech, estimate) == pytest.approx(mean_of_best(distances), rel=1e-9)


@pytest.mark.slow
def test_composite_of_equal_signals_is_the_top_and_falls_with_noise():
    speech = speech_like()
    for name in ("CSIG", "CBAK", "COVL"):
        values = [score(name, speech, estimate) for estimate in (speech, noisy(speech, 15), noisy(speech, 0))]
        assert values[0] == 5.0 and values == sorted(values, reverse=True) and values[2] < 3.5
    assert score("CSIG", speech, noisy(speech, 5)) == pytest.approx(
        3.093
        + 0.603 * score("PESQ", speech, noisy(speech, 5))
        - 1.029 * composite.log_likelihood_ratio(speech, noisy(speech, 5))
        - 0.009 * composite.weighted_slope_distance(speech, noisy(speech, 5))
    )
