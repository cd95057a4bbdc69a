"""SI-SDR and SDR in dB, and their improvements over the mixture."""

from collections.abc import Callable

import numpy as np

from espnet_codecse.metrics.abs_metric import AbsMetricFamily, Metric, Signals
from espnet_codecse.metrics.registry import register

# Estimates equal to the reference would give infinity, and so would every mean.
LARGEST_DB = 100.0


def si_sdr(reference: np.ndarray, estimate: np.ndarray) -> float:
    """Return the scale-invariant SDR in dB (Le Roux et al., 2019, equation 5), without mean removal.

    ``10 log10(|a s|^2 / |a s - e|^2)`` with ``a = <e, s> / |s|^2``, reference ``s`` and estimate ``e``
    ``(num_samples,)``. Limited to +-100 dB; nan if one of them is all zero.
    """
    reference, estimate = reference.astype(np.float64), estimate.astype(np.float64)
    energy = reference @ reference
    if energy == 0.0 or not np.any(estimate):
        return float("nan")
    target = (estimate @ reference) / energy * reference
    distortion = target - estimate
    with np.errstate(divide="ignore"):
        ratio_db = 10 * (np.log10(target @ target) - np.log10(distortion @ distortion))
    return float(np.clip(ratio_db, -LARGEST_DB, LARGEST_DB))


@register()
class SISDR(AbsMetricFamily):
    """Scale-invariant SDR, computed in double precision."""

    columns = (
        Metric("SI_SDR", None, True, (-LARGEST_DB, LARGEST_DB), True, "", "scale-invariant SDR in dB (Le Roux 2019)"),
    )

    def load(self) -> None:
        """Nothing to load."""

    def compute(self, signals: Signals) -> dict[str, float]:
        return {"SI_SDR": si_sdr(signals.reference, signals.estimate)}


def sdr(reference: np.ndarray, estimate: np.ndarray, num_taps: int = 512) -> float:
    """Return the BSS-eval signal-to-distortion ratio in dB (Vincent et al., 2006), without mean removal.

    The estimate ``e`` is projected on ``num_taps`` delayed copies of the reference ``s``, both ``(num_samples,)``. If
    the projection has the share ``c`` of the energy, SDR is ``10 log10(c / (1 - c))``. The filter solves a Toeplitz
    system (Scheibler, 2022); values equal those of fast_bss_eval, without importing torch. Limited to +-100 dB; nan if
    one of them is all zero.
    """
    from scipy.fft import irfft, next_fast_len, rfft
    from scipy.linalg import solve_toeplitz

    if not np.any(reference) or not np.any(estimate):
        return float("nan")
    reference = reference.astype(np.float64) / np.linalg.norm(reference.astype(np.float64))
    estimate = estimate.astype(np.float64) / np.linalg.norm(estimate.astype(np.float64))
    fft_size = next_fast_len(len(reference) + num_taps, real=True)
    spectrum = rfft(reference, fft_size)
    autocorrelation = irfft(np.abs(spectrum) ** 2, fft_size)[:num_taps]
    crosscorrelation = irfft(np.conj(spectrum) * rfft(estimate, fft_size), fft_size)[:num_taps]
    try:
        share = crosscorrelation @ solve_toeplitz(autocorrelation, crosscorrelation)
    except np.linalg.LinAlgError:  # linearly dependent copies of the reference, such as a pure tone
        return float("nan")
    smallest = 10 ** (-LARGEST_DB / 10)
    return float(10 * np.log10(max(share, smallest) / max(1.0 - share, smallest)))


@register()
class SDR(AbsMetricFamily):
    """BSS-eval SDR, which allows any filter of 512 taps on the reference."""

    columns = (Metric("SDR", None, True, (-LARGEST_DB, LARGEST_DB), True, "scipy", "BSS-eval SDR in dB, 512 taps"),)

    def load(self) -> None:
        """Nothing to load; scipy is imported where it is used."""

    def compute(self, signals: Signals) -> dict[str, float]:
        return {"SDR": sdr(signals.reference, signals.estimate)}


class _Improvement(AbsMetricFamily):
    """The estimate's value minus the mixture's, against the same reference."""

    measure: Callable[[np.ndarray, np.ndarray], float]

    def load(self) -> None:
        """Nothing to load."""

    def compute(self, signals: Signals) -> dict[str, float]:
        measure = type(self).measure
        value, unprocessed = (measure(signals.reference, one) for one in (signals.estimate, signals.mixture))
        return {self.columns[0].name: value - unprocessed}


@register()
class SISDRImprovement(_Improvement):
    """SI-SDRi, as reported by separation papers."""

    measure = staticmethod(si_sdr)
    columns = (
        Metric(
            "SI_SDRi", None, True, (-2 * LARGEST_DB, 2 * LARGEST_DB), True, "", "SI_SDR minus that of the mixture", True
        ),
    )


@register()
class SDRImprovement(_Improvement):
    """SDRi, as reported by separation papers."""

    measure = staticmethod(sdr)
    columns = (
        Metric(
            "SDRi", None, True, (-2 * LARGEST_DB, 2 * LARGEST_DB), True, "scipy", "SDR minus that of the mixture", True
        ),
    )
