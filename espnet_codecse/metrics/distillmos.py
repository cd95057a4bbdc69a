"""DistillMOS: an estimate of the overall quality, without a reference (Stahl and Gamper, 2025, 2502.05356).

Its network was distilled from a larger one on XLS-R embeddings. No loss of this package is related to it.
"""

import contextlib
import io

import numpy as np

from espnet_codecse.metrics.abs_metric import AbsMetricFamily, Metric, Signals
from espnet_codecse.metrics.registry import register


@register()
class DistillMOS(AbsMetricFamily):
    """DistillMOS by its authors' package, which contains the weights; windows of 7.68 s are averaged."""

    columns = (Metric("DISTILLMOS", 16000, False, (1.0, 5.0), True, "distillmos", "DistillMOS, overall quality"),)

    def load(self) -> None:
        import torch
        from distillmos import ConvTransformerSQAModel

        torch.set_num_threads(1)
        self._torch = torch
        with contextlib.redirect_stdout(io.StringIO()):  # it prints where its weights are
            self._network = ConvTransformerSQAModel().eval()

    def compute(self, signals: Signals) -> dict[str, float]:
        if not np.any(signals.estimate):
            return {"DISTILLMOS": float("nan")}
        with self._torch.inference_mode():
            score = self._network(self._torch.from_numpy(signals.estimate.copy())[None])
        return {"DISTILLMOS": float(score.squeeze())}
