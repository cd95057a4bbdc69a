"""Speaker similarity between estimate and reference."""

import numpy as np

from espnet_codecse.metrics.abs_metric import Metric, Signals
from espnet_codecse.metrics.models import HubMetricFamily
from espnet_codecse.metrics.registry import register

HUB_ID = "microsoft/wavlm-base-plus-sv"


@register()
class SpeakerSimilarity(HubMetricFamily):
    """Cosine similarity of the x-vectors of estimate and reference, from any x-vector model of transformers."""

    variable, hub_id = "CODECSE_SPEAKER_MODEL", HUB_ID
    columns = (
        Metric("SPK_SIM", 16000, True, (-1.0, 1.0), True, "torch transformers", f"speaker similarity, {HUB_ID}"),
    )

    def load(self) -> None:
        import torch
        from transformers import AutoFeatureExtractor, AutoModelForAudioXVector

        torch.set_num_threads(1)
        folder = self.folder()
        self._torch = torch
        self._features = AutoFeatureExtractor.from_pretrained(folder)
        self._network = AutoModelForAudioXVector.from_pretrained(folder).eval()

    def compute(self, signals: Signals) -> dict[str, float]:
        if not np.any(signals.reference) or not np.any(signals.estimate):
            return {"SPK_SIM": float("nan")}
        try:
            first, second = (self._embedding(speech) for speech in (signals.reference, signals.estimate))
        except RuntimeError:  # shorter than the network's convolutions
            return {"SPK_SIM": float("nan")}
        return {"SPK_SIM": float(self._torch.nn.functional.cosine_similarity(first, second, dim=-1))}

    def _embedding(self, speech: np.ndarray):
        """Return ``(1, feature)`` of ``speech (sample,)`` at 16 kHz."""
        inputs = self._features(speech, sampling_rate=16000, return_tensors="pt")
        with self._torch.inference_mode():
            return self._network(**inputs).embeddings
