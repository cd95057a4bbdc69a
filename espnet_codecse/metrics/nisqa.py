"""NISQA v2: neural estimates of quality and its dimensions, without a reference (Mittag et al., 2021)."""

from pathlib import Path

from espnet_codecse.metrics.abs_metric import AbsMetricFamily, Metric, Signals
from espnet_codecse.metrics.registry import register

WEIGHTS = "~/.torchmetrics/NISQA/nisqa.tar"  # the location of torchmetrics


@register(group="NISQA")
class Nisqa(AbsMetricFamily):
    """NISQA by torchmetrics, which returns MOS, noisiness, discontinuity, coloration and loudness, in this order."""

    columns = tuple(
        Metric(f"NISQA_{name}", None, False, (0.0, 5.5), True, "torchmetrics librosa", f"NISQA v2 {text}")
        for name, text in (
            ("MOS", "overall quality"),
            ("NOI", "noisiness"),
            ("DIS", "discontinuity"),
            ("COL", "coloration"),
            ("LOUD", "loudness"),
        )
    )

    @classmethod
    def missing(cls) -> str:
        """See :meth:`AbsMetricFamily.missing`."""
        if super().missing() or Path(WEIGHTS).expanduser().is_file():
            return super().missing()
        return f"copy the weights nisqa.tar of github.com/gabrielmittag/NISQA to {WEIGHTS}"

    def load(self) -> None:
        import torch
        from torchmetrics.functional.audio.nisqa import non_intrusive_speech_quality_assessment

        torch.set_num_threads(1)
        self._torch, self._assess = torch, non_intrusive_speech_quality_assessment

    def compute(self, signals: Signals) -> dict[str, float]:
        try:
            values = self._assess(self._torch.from_numpy(signals.estimate.copy()), signals.sample_rate).tolist()
        except RuntimeError:  # too short for one segment, or too long
            values = [float("nan")] * len(self.columns)
        return dict(zip((column.name for column in self.columns), values))
