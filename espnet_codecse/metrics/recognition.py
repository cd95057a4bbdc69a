"""Word error rate of a speech recogniser on the estimate, relative to its own transcript of the clean speech."""

import re

import numpy as np

from espnet_codecse.metrics.abs_metric import Metric, Signals
from espnet_codecse.metrics.models import ReplaceableMetricFamily
from espnet_codecse.metrics.registry import register


def words_of(text: str) -> list[str]:
    """Return the words in lower case, without punctuation."""
    return re.sub(r"[^\w\s']", " ", text.lower()).split()


@register()
class DifferentialWordErrorRate(ReplaceableMetricFamily):
    """Differential WER, which needs no transcripts and ignores errors that the recogniser makes on clean speech.

    The recogniser is PocketSphinx with the English models of its wheel. ``CODECSE_ASR_MODEL`` names the folder of any
    speech recognition model of transformers to use instead, with CTC or a decoder, such as openai/whisper-small.en.
    The value is in percent and may exceed 100.
    """

    variable = "CODECSE_ASR_MODEL"
    columns = (
        Metric(
            "DWER",
            16000,
            True,
            (0.0, float("inf")),
            False,
            "pocketsphinx editdistance",
            f"word errors against the clean speech's transcript, %, by PocketSphinx or the model that {variable} names",
        ),
    )

    def load(self) -> None:
        import editdistance

        self._distance = editdistance.eval
        folder = self.folder()
        if folder is None:
            from pocketsphinx import Decoder

            self._decoder = Decoder(loglevel="FATAL")
            self._cepstral_mean = self._decoder.get_cmn(False)
            self._text = self._of_pocketsphinx
        else:
            import torch
            from transformers import pipeline

            torch.set_num_threads(1)
            self._recognise = pipeline("automatic-speech-recognition", model=folder, device="cpu", chunk_length_s=30)
            self._text = self._of_transformers

    def compute(self, signals: Signals) -> dict[str, float]:
        if not np.any(signals.reference):  # a recogniser may hear words in silence
            return {"DWER": float("nan")}
        wanted, found = (words_of(self._text(speech)) for speech in (signals.reference, signals.estimate))
        if not wanted:
            return {"DWER": float("nan")}
        return {"DWER": 100.0 * self._distance(wanted, found) / len(wanted)}

    def _of_pocketsphinx(self, speech: np.ndarray) -> str:
        """Return the transcript of ``speech (sample,)`` at 16 kHz."""
        # It follows the mean of the recordings so far, which would make scores depend on their order.
        self._decoder.set_cmn(self._cepstral_mean)
        self._decoder.start_utt()
        samples = np.clip(np.rint(speech * 32768), -32768, 32767).astype(np.int16)
        self._decoder.process_raw(samples.tobytes(), full_utt=True)
        self._decoder.end_utt()
        hypothesis = self._decoder.hyp()
        return "" if hypothesis is None else hypothesis.hypstr

    def _of_transformers(self, speech: np.ndarray) -> str:
        """Return the transcript of ``speech (sample,)`` at 16 kHz."""
        return self._recognise({"raw": speech.copy(), "sampling_rate": 16000})["text"]
