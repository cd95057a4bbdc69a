"""ViSQOL in speech mode, MOS-LQO (Chinen et al., 2020)."""

import numpy as np

from espnet_codecse.metrics.abs_metric import AbsMetricFamily, Metric, Signals
from espnet_codecse.metrics.registry import register


@register()
class Visqol(AbsMetricFamily):
    """ViSQOL by visqol-python, with the polynomial mapping, which does not depend on other installed packages."""

    columns = (Metric("VISQOL", 16000, True, (1.0, 5.0), True, "visqol", "ViSQOL 3, speech mode, polynomial mapping"),)

    @classmethod
    def missing(cls) -> str:
        """See :meth:`AbsMetricFamily.missing`."""
        return super().missing() and "pip install visqol-python"

    def load(self) -> None:
        from visqol import VisqolApi

        self._api = VisqolApi()
        self._api.create(mode="speech", use_lattice_model=False)

    def compute(self, signals: Signals) -> dict[str, float]:
        if not np.any(signals.reference) or not np.any(signals.estimate):
            return {"VISQOL": float("nan")}
        clean, estimate = (speech.astype(np.float64) for speech in (signals.reference, signals.estimate))
        try:
            return {"VISQOL": float(self._api.measure_from_arrays(clean, estimate, signals.sample_rate).moslqo)}
        except (ValueError, RuntimeError, IndexError):  # shorter than ViSQOL's patches
            return {"VISQOL": float("nan")}
