"""UTMOS: a neural estimate of naturalness, without a reference (Saeki et al., 2022)."""

import os
from pathlib import Path

from espnet_codecse.metrics.abs_metric import AbsMetricFamily, Metric, Signals
from espnet_codecse.metrics.models import torch_hub_folder
from espnet_codecse.metrics.registry import register

HUB_REPOSITORY, ENTRY = "tarepan/SpeechMOS:v1.2.0", "utmos22_strong"
VARIABLE = "CODECSE_UTMOS"


def _repository() -> Path | None:
    """Return the folder with the repository's ``hubconf.py``."""
    cached = torch_hub_folder() / HUB_REPOSITORY.replace("/", "_").replace(":", "_")
    folder = Path(os.environ.get(VARIABLE) or cached)
    return folder if (folder / "hubconf.py").is_file() else None


@register()
class Utmos(AbsMetricFamily):
    """``utmos22_strong`` of SpeechMOS 1.2.0; its repository and weights must be on this machine."""

    columns = (Metric("UTMOS", 16000, False, (1.0, 5.0), True, "torch", "UTMOS (utmos22_strong), naturalness"),)

    @classmethod
    def missing(cls) -> str:
        """See :meth:`AbsMetricFamily.missing`."""
        if super().missing() or _repository():
            return super().missing()
        return (
            f"python3 -c \"import torch; torch.hub.load('{HUB_REPOSITORY}', '{ENTRY}', trust_repo=True)\", or set "
            f"{VARIABLE} to a clone of it"
        )

    def load(self) -> None:
        import torch

        torch.set_num_threads(1)
        self._torch = torch
        self._network = torch.hub.load(str(_repository()), ENTRY, source="local", trust_repo=True).eval()

    def compute(self, signals: Signals) -> dict[str, float]:
        with self._torch.inference_mode():
            score = self._network(self._torch.from_numpy(signals.estimate.copy())[None], signals.sample_rate)
        return {"UTMOS": float(score.squeeze())}
