"""SRMR: how much of a recording's modulation is speech's own rather than a room's, without a reference."""

import warnings

import numpy as np

from espnet_codecse.metrics.abs_metric import AbsMetricFamily, Metric, Signals
from espnet_codecse.metrics.registry import register

SHORTEST_SECONDS = 0.256  # one frame of modulation energies


@register()
class Srmr(AbsMetricFamily):
    """SRMR by torchmetrics in its fast form (gammatonegram; Falk, Zheng and Chan, 2010; Santos et al., 2014)."""

    columns = (
        Metric(
            "SRMR", 16000, False, (0.0, float("inf")), True, "torchmetrics torchaudio gammatone",
            "speech-to-reverberation modulation energy ratio, fast form",
        ),
    )  # fmt: skip

    def load(self) -> None:
        import torch
        from torchmetrics.functional.audio import speech_reverberation_modulation_energy_ratio

        torch.set_num_threads(1)
        self._torch, self._ratio = torch, speech_reverberation_modulation_energy_ratio

    def compute(self, signals: Signals) -> dict[str, float]:
        if len(signals.estimate) < SHORTEST_SECONDS * signals.sample_rate or not np.any(signals.estimate):
            return {"SRMR": float("nan")}
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "`fast=True` may slow down")  # on a GPU, where nothing runs here
            ratio = self._ratio(self._torch.from_numpy(signals.estimate.copy()), signals.sample_rate, fast=True)
        return {"SRMR": float(ratio)}
