"""Speaker similarity between estimate and reference."""

import numpy as np

from espnet_codecse.metrics.abs_metric import Metric, Signals
from espnet_codecse.metrics.models import ReplaceableMetricFamily
from espnet_codecse.metrics.registry import register


@register()
class SpeakerSimilarity(ReplaceableMetricFamily):
    """Cosine similarity of the speaker embeddings of estimate and reference.

    The network is Resemblyzer's (GE2E, 1710.10467), whose wheel holds the weights. Its own preparation raises the level
    of soft speech and shortens pauses. ``CODECSE_SPEAKER_MODEL`` names the folder of an x-vector model of transformers
    to use instead, such as microsoft/wavlm-base-plus-sv.
    """

    variable = "CODECSE_SPEAKER_MODEL"
    columns = (
        Metric(
            "SPK_SIM",
            16000,
            True,
            (-1.0, 1.0),
            True,
            "resemblyzer",
            f"speaker similarity by Resemblyzer, or by the x-vector model that {variable} names",
        ),
    )

    def load(self) -> None:
        import torch

        torch.set_num_threads(1)
        self._torch = torch
        folder = self.folder()
        if folder is None:
            from resemblyzer import VoiceEncoder, preprocess_wav

            self._prepare, self._network = preprocess_wav, VoiceEncoder("cpu", verbose=False)
            self._embedding = self._of_resemblyzer
        else:
            from transformers import AutoFeatureExtractor, AutoModelForAudioXVector

            self._prepare = AutoFeatureExtractor.from_pretrained(folder)
            self._network = AutoModelForAudioXVector.from_pretrained(folder).eval()
            self._embedding = self._of_transformers

    def compute(self, signals: Signals) -> dict[str, float]:
        if not np.any(signals.reference) or not np.any(signals.estimate):
            return {"SPK_SIM": float("nan")}
        try:
            first, second = (self._embedding(speech) for speech in (signals.reference, signals.estimate))
        except RuntimeError:  # shorter than the network's convolutions
            return {"SPK_SIM": float("nan")}
        if first is None or second is None:
            return {"SPK_SIM": float("nan")}
        return {"SPK_SIM": float(first @ second / np.linalg.norm(first) / np.linalg.norm(second))}

    def _of_resemblyzer(self, speech: np.ndarray) -> np.ndarray | None:
        """Return ``(feature,)`` of ``speech (sample,)`` at 16 kHz; None if its voice detector finds no speech."""
        prepared = self._prepare(speech.copy())
        return self._network.embed_utterance(prepared) if len(prepared) else None

    def _of_transformers(self, speech: np.ndarray) -> np.ndarray:
        """Return ``(feature,)`` of ``speech (sample,)`` at 16 kHz."""
        inputs = self._prepare(speech, sampling_rate=16000, return_tensors="pt")
        with self._torch.inference_mode():
            return self._network(**inputs).embeddings[0].numpy()
