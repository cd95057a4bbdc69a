"""DNSMOS P.835 (SIG, BAK, OVRL) and P.808: neural estimates of listening scores, without a reference."""

import importlib.util
from pathlib import Path
from typing import Dict

import numpy as np

from espnet_codecse.metrics.abs_metric import AbsMetricFamily, Metric, Signals
from espnet_codecse.metrics.mel import mel_filterbank, mel_power_db
from espnet_codecse.metrics.registry import register

SAMPLE_RATE = 16000  # Hz
WINDOW_SAMPLES = int(9.01 * SAMPLE_RATE)
# Raw network outputs to the published scale (DNS-Challenge dnsmos_local.py, the non-personalised fit).
POLYNOMIALS = {
    "DNSMOS_SIG": (-0.08397278, 1.22083953, 0.0052439),
    "DNSMOS_BAK": (-0.13166888, 1.60915514, -0.39604546),
    "DNSMOS_OVRL": (-0.06766283, 1.11546468, 0.04602535),
}


def _column(name: str, description: str) -> Metric:
    return Metric(name, SAMPLE_RATE, False, (1.0, 5.0), True, "speechmos onnxruntime", description)


@register(group="DNSMOS")
class Dnsmos(AbsMetricFamily):
    """The variant of ``speechmos.dnsmos`` and of the DNS-Challenge script without personalisation.

    Published values depend on the variant; this one is: networks ``sig_bak_ovr.onnx`` and ``model_v8.onnx``
    (P.808) from the speechmos package, fitted polynomials on SIG, BAK and OVRL, none on P.808; recordings
    shorter than 9.01 s are doubled until they are not; windows of 9.01 s every second, means over the windows;
    the level is taken as it is (the scores depend on it), samples beyond full scale are clipped.
    The sessions are kept between files and use one thread, since utterances are scored in parallel.
    """

    columns = (
        _column("DNSMOS_SIG", "DNSMOS P.835 speech quality, 1 to 5"),
        _column("DNSMOS_BAK", "DNSMOS P.835 background quality, 1 to 5"),
        _column("DNSMOS_OVRL", "DNSMOS P.835 overall quality, 1 to 5"),
        _column("DNSMOS_P808", "DNSMOS P.808 overall quality, 1 to 5"),
    )

    def load(self) -> None:
        import onnxruntime

        # Only the model files are used: importing speechmos.dnsmos costs seconds and starts sessions with all cores.
        found = importlib.util.find_spec("speechmos")
        if found is None or found.origin is None:
            raise ImportError("No module named 'speechmos'")
        folder = Path(found.origin).parent / "dnsmos_models"
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._primary, self._p808 = (
            onnxruntime.InferenceSession(str(folder / name), options, providers=["CPUExecutionProvider"])
            for name in ("sig_bak_ovr.onnx", "model_v8.onnx")
        )
        self._filterbank = mel_filterbank(SAMPLE_RATE, 321, 120)

    def compute(self, signals: Signals) -> Dict[str, float]:
        speech = np.clip(signals.estimate, -1.0, 1.0)
        while len(speech) < WINDOW_SAMPLES:
            speech = np.concatenate([speech, speech])
        num_windows = max(1, int(len(speech) // SAMPLE_RATE - 9.01) + 1)
        rows = []
        for start in range(0, num_windows * SAMPLE_RATE, SAMPLE_RATE):
            window = speech[start : start + WINDOW_SAMPLES]
            if len(window) < WINDOW_SAMPLES:
                continue
            rows.append(self._score_window(window.astype(np.float32)))
        return dict(zip((column.name for column in self.columns), np.mean(rows, axis=0).tolist()))

    def _score_window(self, window: np.ndarray) -> np.ndarray:
        """SIG, BAK, OVRL, P808 of one window ``(144160,)``."""
        raw = self._primary.run(None, {"input_1": window[None]})[0][0]
        mel = (mel_power_db(window[:-160], self._filterbank, 321, 160) + 40.0) / 40.0
        p808 = self._p808.run(None, {"input_1": mel[None].astype(np.float32)})[0][0][0]
        fitted = [np.polyval(POLYNOMIALS[name], value) for name, value in zip(POLYNOMIALS, raw)]
        return np.array([*fitted, p808], dtype=np.float64)
