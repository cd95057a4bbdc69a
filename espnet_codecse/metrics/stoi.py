"""Short-time objective intelligibility and its extended form."""

import warnings

import numpy as np

from espnet_codecse.metrics.abs_metric import AbsMetricFamily, Metric, Signals
from espnet_codecse.metrics.registry import register


class _Stoi(AbsMetricFamily):
    extended = False

    def load(self) -> None:
        import pystoi

        self._stoi = pystoi.stoi

    def compute(self, signals: Signals) -> dict[str, float]:
        name = self.columns[0].name
        if not np.any(signals.reference) or not np.any(signals.estimate):
            return {name: float("nan")}
        with warnings.catch_warnings():
            # If less than 384 ms are active, pystoi returns 1e-5 with a warning; this is not a score.
            warnings.simplefilter("error", RuntimeWarning)
            try:
                value = self._stoi(signals.reference, signals.estimate, signals.sample_rate, extended=self.extended)
            except (RuntimeWarning, ValueError):
                value = float("nan")
        return {name: float(value)}


@register()
class Stoi(_Stoi):
    """STOI (Taal et al., 2011); pystoi itself resamples to 10 kHz, as in published figures."""

    columns = (Metric("STOI", None, True, (-1.0, 1.0), True, "pystoi", "short-time objective intelligibility"),)


@register()
class ExtendedStoi(_Stoi):
    """Extended STOI (Jensen and Taal, 2016)."""

    extended = True
    columns = (Metric("ESTOI", None, True, (-1.0, 1.0), True, "pystoi", "extended STOI"),)
