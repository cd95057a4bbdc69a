"""PESQ (ITU-T P.862) as MOS-LQO: wide-band (P.862.2) at 16 kHz and narrow-band (P.862.1) at 8 kHz."""

import numpy as np

from espnet_codecse.metrics.abs_metric import AbsMetricFamily, Metric, Signals
from espnet_codecse.metrics.registry import register


class _Pesq(AbsMetricFamily):
    mode = ""

    def load(self) -> None:
        import pesq

        self._pesq = pesq

    def compute(self, signals: Signals) -> dict[str, float]:
        name = self.columns[0].name
        if not np.any(signals.reference) or not np.any(signals.estimate):
            return {name: float("nan")}
        try:
            value = self._pesq.pesq(signals.sample_rate, signals.reference, signals.estimate, self.mode)
        except self._pesq.PesqError:  # no speech found, or shorter than a quarter of a second
            value = float("nan")
        return {name: float(value)}


@register()
class PesqWideBand(_Pesq):
    """Wide-band PESQ; recordings at other rates are resampled to 16 kHz."""

    mode = "wb"
    columns = (Metric("PESQ", 16000, True, (1.0, 4.65), True, "pesq", "wide-band PESQ, MOS-LQO (P.862.2)"),)


@register()
class PesqNarrowBand(_Pesq):
    """Narrow-band PESQ, computed at 8 kHz, as in papers on separation at 8 kHz."""

    mode = "nb"
    columns = (Metric("PESQ_NB", 8000, True, (1.0, 4.56), True, "pesq", "narrow-band PESQ, MOS-LQO (P.862.1)"),)
