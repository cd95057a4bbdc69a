"""Word error rate of a speech recogniser on the estimate, relative to its own transcript of the clean speech."""

import re

import numpy as np

from espnet_codecse.metrics.abs_metric import Metric, Signals
from espnet_codecse.metrics.models import HubMetricFamily
from espnet_codecse.metrics.registry import register

HUB_ID = "openai/whisper-small.en"


def words_of(text: str) -> list[str]:
    """Return the words in lower case, without punctuation."""
    return re.sub(r"[^\w\s']", " ", text.lower()).split()


@register()
class DifferentialWordErrorRate(HubMetricFamily):
    """Differential WER, which needs no transcripts and ignores errors that the recogniser makes on clean speech.

    The recogniser may be any speech recognition model of transformers, with CTC or a decoder. The value is in percent
    and may exceed 100.
    """

    variable, hub_id = "CODECSE_ASR_MODEL", HUB_ID
    columns = (
        Metric(
            "DWER",
            16000,
            True,
            (0.0, float("inf")),
            False,
            "torch transformers editdistance",
            f"word errors against the clean speech's transcript, %, {HUB_ID}",
        ),
    )

    def load(self) -> None:
        import editdistance
        import torch
        from transformers import pipeline

        torch.set_num_threads(1)
        self._distance = editdistance.eval
        folder = self.folder()
        self._recognise = pipeline("automatic-speech-recognition", model=folder, device="cpu", chunk_length_s=30)

    def compute(self, signals: Signals) -> dict[str, float]:
        wanted, found = (words_of(self._text(speech)) for speech in (signals.reference, signals.estimate))
        if not wanted:
            return {"DWER": float("nan")}
        return {"DWER": 100.0 * self._distance(wanted, found) / len(wanted)}

    def _text(self, speech: np.ndarray) -> str:
        return self._recognise({"raw": speech.copy(), "sampling_rate": 16000})["text"]
